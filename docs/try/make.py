"""Makes the page that upscales pictures wholly in the browser: `python docs/try/make.py OUT [--model NAME]`.

OUT becomes a folder of static files for any web server: the page, with the viewer's scripts and `browser.js`; the model as
two ONNX graphs; ONNX Runtime's WebAssembly build, which npm fetches.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from lmf_sr.checkpoints import load
from lmf_sr.errors import InputError
from lmf_sr.exporting.assembly import encode_graph, state_graph
from lmf_sr.exporting.pieces import pieces_of
from lmf_sr.viewer.page import page
from lmf_sr.viewer.textures import drawable, render_mlp

RUNTIME = "onnxruntime-web@1.30.0"
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
BROWSER = Path(__file__).with_name("browser.js")


def make(out: Path, name: str) -> None:
    """Writes the folder. Raises InputError for a model that no shader renders, and where npm is missing."""
    model = load(name)
    decoder = model.decoder
    if not drawable(decoder):
        raise InputError(f"a page cannot render {name} by itself: choose an LMF model (lm-...) 16 wide")
    out.mkdir(parents=True, exist_ok=True)
    pieces = pieces_of(model)
    for graph, make_graph in (("encode", encode_graph), ("state", state_graph)):
        (out / f"{graph}.onnx").write_bytes(make_graph(pieces, {"model": name}).SerializeToString())
    fetch_runtime(out)
    setup = {
        "kind": "browser",
        "runtime": RUNTIME_FILES[0],
        "graphs": {"encode": "encode.onnx", "state": "state.onnx"},
        "modulations": pieces.prepare.outputs[0],
        "model": {"name": name, "mlp": render_mlp(decoder), "tables": [], "macs": None},
    }
    html = page("lmf-sr in the browser", setup, BROWSER.read_text(encoding="utf-8"))
    (out / "index.html").write_text(html, encoding="utf-8")


def fetch_runtime(out: Path) -> None:
    """Fetches the files of ONNX Runtime by npm. Raises InputError where that fails."""
    npm = shutil.which("npm")
    if npm is None:
        raise InputError("ONNX Runtime's WebAssembly build comes by npm, which is not installed here")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", RUNTIME]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise InputError(f"npm cannot fetch {RUNTIME}: {run.stderr.strip().splitlines()[-1]}")
        for file in RUNTIME_FILES:
            shutil.copyfile(Path(folder, "node_modules", "onnxruntime-web", "dist", file), out / file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument(
        "--model", default="edsr-tiny-lm-liif", help="shipped name or checkpoint (default: %(default)s)"
    )
    options = parser.parse_args()
    try:
        make(options.out, options.model)
    except InputError as error:
        parser.error(str(error))
    print(f"written: {options.out}; python -m http.server --directory {options.out} shows it")
