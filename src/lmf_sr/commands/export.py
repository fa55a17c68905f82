"""`lmf-sr export`: files that work where lmf-sr is not installed. The suffix of the output says which kind."""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lmf_sr.checkpoints import DEFAULT_MODEL, load, shipped_models
from lmf_sr.commands.arguments import parser_for
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError

EPILOG = """\
  .html    a page that holds a picture and zooms it without end, by a shader: it opens from disk, in any browser with WebGL2,
           and needs neither network nor Python. For LMF models (lm-...). A picture of 320x180 takes some 7 to 10 MB.
  .onnx    a model as a graph for ONNX Runtime: picture, height and width in, the upscaled picture out, of any size. With
           --split two graphs: OUTPUT-prepare.onnx, once for a picture, and OUTPUT-query.onnx, for any part of it at any
           scale. For every encoder and decoder; docs/export.md shows how to use it. Takes minutes for the largest models.

examples:
  lmf-sr export photo.jpg page.html
  lmf-sr export photo.jpg page.html --model edsr-tiny-lm-liif --max-mb 20
  lmf-sr export edsr-tiny-lm-liif model.onnx
  lmf-sr export last.ckpt model.onnx --split --licence CC-BY-4.0
"""
LICENCE = (
    "Apache-2.0; the data it was trained on has terms of its own, which the model's card names"  # of shipped models
)
NEEDED = ("onnx", "onnxruntime", "onnxscript")


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError for what cannot be exported, or an output of another kind."""
    options = _parser().parse_args(arguments)
    kinds = {".html": _page, ".onnx": _onnx}
    export = kinds.get(options.output.suffix.lower())
    if export is None:
        raise InputError(f"cannot export to {options.output}: its suffix must be one of {', '.join(kinds)}")
    export(options)


def _page(options: argparse.Namespace) -> None:
    from lmf_sr.commands.view import shown_model
    from lmf_sr.viewer.standalone import write_page

    if not options.max_mb > 0:
        raise InputError(f"--max-mb {options.max_mb:g} leaves room for nothing: give a number of megabytes")
    model = shown_model(options.model, load(options.model).to(device_named(options.device)))
    size = write_page(options.output, Path(options.source), model, int(options.max_mb * 1e6))
    print(f"written: {options.output} ({size / 1e6:.1f} MB)")


def _onnx(options: argparse.Namespace) -> None:
    if missing := [package for package in NEEDED if importlib.util.find_spec(package) is None]:
        raise InputError(f"ONNX needs {', '.join(missing)}, not installed here: pip install 'lmf-sr[onnx]'")
    from lmf_sr.exporting.files import export_onnx

    model = load(options.source)
    is_shipped = options.source in shipped_models()
    name = options.source if is_shipped else Path(options.source).stem
    licence = options.licence or (LICENCE if is_shipped else "not stated")
    with Console(stderr=True).status("") as status:
        paths = export_onnx(
            model,
            options.output,
            name,
            licence,
            options.split,
            progress=lambda piece: status.update(f"{name}: {piece} is traced"),
        )
    for path in paths:
        print(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB)")


def _parser() -> argparse.ArgumentParser:
    parser = parser_for(
        "export", "Make a file that works without lmf-sr, of the kind that OUTPUT's suffix names:", EPILOG
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="the picture (.html); a model, shipped name or checkpoint file (.onnx)"
    )
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="the file to write")
    page = parser.add_argument_group(".html")
    page.add_argument("--model", default=DEFAULT_MODEL, help="shipped name or checkpoint file (default: %(default)s)")
    page.add_argument("--max-mb", type=float, default=12, metavar="MB", help="largest page (default: %(default)g MB)")
    page.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    onnx = parser.add_argument_group(".onnx")
    onnx.add_argument("--split", action="store_true", help="two graphs, prepare and query")
    onnx.add_argument(
        "--licence", metavar="TEXT", help="licence of the weights, for the metadata (default: that of shipped models)"
    )
    return parser
