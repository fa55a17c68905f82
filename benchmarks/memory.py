"""Peak memory of rendering: at every scale, and of a picture of a gigapixel (`python -m benchmarks.memory`).

    render      180 x 320 pixels rendered at x2 to x30, returned as one tensor       should grow by that tensor only
    upscale     1024 x 1024 pixels to 32768 x 32768, streamed into a BigTIFF         should stay within 3 GB

Weights are fresh: they do not matter here. Each figure is of a process of its own: the peak of its resident memory (VmHWM),
of which Python and PyTorch take 0.2 to 0.3 GB. The encoder of `upscale` has 2 blocks, which take as much
memory as 16 do.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.record import RESULTS, begun, write
from lmf_sr import build
from lmf_sr.checkpoints import export
from lmf_sr.images import Picture, embedded_photographs, resize_pillow, write_picture
from lmf_sr.results.table import Table

DECODERS = ("lm-liif", "lm-lte", "lm-ciaosr")
SCALES = (2, 4, 8, 16, 30)
LR_SIZE = 180, 320
GIGAPIXEL = 32768
TARGET_GB = 3.0

RENDER = """
import sys, torch, lmf_sr
torch.manual_seed(0)
model = lmf_sr.build("edsr-baseline", sys.argv[1]).eval()
out = model.encode(torch.rand(3, {}, {})).render(int(sys.argv[2]), int(sys.argv[3]))
""".format(*LR_SIZE)

UPSCALE = """
import sys
from lmf_sr.commands.main import main
from lmf_sr.results.table import Table
assert main(sys.argv[1:]) == 0
"""

PEAK = """
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


def renderings() -> Iterator[dict[str, Any]]:
    for decoder in DECODERS:
        for scale in SCALES:
            height, width = (scale * side for side in LR_SIZE)
            output_gb = 3 * 4 * height * width / 1e9
            peak_gb = _peak_gb(RENDER, decoder, height, width)
            yield {"decoder": decoder, "scale": scale, "output_gb": round(output_gb, 3), "peak_gb": peak_gb}


def upscaling(decoder: str, side: int) -> dict[str, Any]:
    """A square of 1024 pixels to one of `side`."""
    with tempfile.TemporaryDirectory() as folder:
        lr, model, output = (Path(folder) / name for name in ("lr.png", "model.safetensors", "large.tif"))
        torch.manual_seed(0)
        export(build({"name": "edsr-baseline", "n_resblocks": 2}, decoder), model)
        (photograph,) = embedded_photographs(("astronaut",)).values()
        write_picture(lr, Picture(resize_pillow(photograph, 1024, 1024) / 255))
        peak_gb = _peak_gb(UPSCALE, "upscale", lr, "--size", f"{side}x{side}", "--output", output, "--model", model)
        file_gb = round(output.stat().st_size / 1e9, 3)
        return {"decoder": decoder, "side": side, "file_gb": file_gb, "peak_gb": peak_gb}


def _peak_gb(code: str, *arguments: object) -> float:
    """The peak memory, in GB, of a process that runs `code` and prints it last, in kB."""
    command = [sys.executable, "-c", code + PEAK, *map(str, arguments)]
    kilobytes = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    return round(int(kilobytes) * 1024 / 1e9, 3)


def report(record: dict[str, Any]) -> str:
    hardware = record["environment"]["hardware"]
    lines = [
        "# Peak memory of rendering",
        "",
        f"{hardware['processor']}, {hardware['threads']} threads, {record['date']}, `{record['command']}`.",
        "",
        f"{LR_SIZE[0]} x {LR_SIZE[1]} pixels, EDSR-baseline, rendered into one tensor:",
        "",
    ]
    cells = [
        [row["decoder"], *(str(row[key]) for key in ("scale", "peak_gb", "output_gb")), f"{rest:.3f}"]
        for row in record["render"]
        for rest in [row["peak_gb"] - row["output_gb"]]
    ]
    header = ["", "scale", "peak, GB", "the tensor's part, GB", "without it, GB"]
    lines += [
        Table.of_text(header, cells).markdown(),
        "1024 x 1024 pixels, upscaled to a tiled BigTIFF of 8 bits:",
        "",
    ]
    for row in record["upscale"]:
        verdict = "met" if row["peak_gb"] <= TARGET_GB else "missed"
        lines.append(
            f"- {row['decoder']}, {row['side']} x {row['side']} pixels: peak {row['peak_gb']} GB (target {TARGET_GB:g}: "
            f"{verdict}), a file of {row['file_gb']} GB"
        )
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Peak memory of rendering.")
    parser.add_argument("--side", type=int, default=GIGAPIXEL, help="of the large picture (default: %(default)s)")
    parser.add_argument("--large", nargs="*", default=["lm-liif"], metavar="DECODER", help="which upscale one")
    options = parser.parse_args(arguments)
    record = {
        **begun(command=" ".join(["python -m benchmarks.memory", *arguments])),
        "render": list(renderings()),
        "upscale": [upscaling(decoder, options.side) for decoder in options.large],
    }
    write(record, report(record), RESULTS / "memory")
    sys.stdout.write(report(record))


if __name__ == "__main__":
    main(sys.argv[1:])
