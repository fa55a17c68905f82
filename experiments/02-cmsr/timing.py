"""Time and multiply-accumulates that CMSR saves on LR pictures of natural size; see README.md.

python experiments/02-cmsr/timing.py CHECKPOINT CALIBRATION PICTURES OUTPUT [--scales 8] [--thresholds 2e-5] [--device cuda]

The pictures themselves are taken as LR pictures. Full rendering and CMSR's take turns, on the same path; of each the fastest
of several is taken, from features to pixels.
"""

import argparse
import time
from pathlib import Path

import torch

import lmf_sr
from lmf_sr.atomic import write_text
from lmf_sr.cmsr.calibration import Calibration, evenly_spread
from lmf_sr.cmsr.savings import SavingsMeter, overall
from lmf_sr.cmsr.table import BoundTable
from lmf_sr.data import PairedImages, Pictures
from lmf_sr.model import ContinuousImage, Model
from lmf_sr.results.table import Table

ROUNDS = 5
HEADER = ("scale", "MSE asked for", "MSE found", "MACs saved (%)", "time, full (s)", "time saved (%)", "time / MACs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "calibration", "pictures", "output"):
        parser.add_argument(name)
    parser.add_argument("--scales", type=float, nargs="+", default=[8, 12])
    parser.add_argument("--thresholds", type=float, nargs="+", default=[2e-5, 1e-4])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    model = lmf_sr.load(options.checkpoint).to(options.device)
    calibration = Calibration.load(options.calibration)
    (images,) = Pictures(options.pictures).evaluation()
    taken = PairedImages("LR", evenly_spread(images.images, options.images))
    pictures = [model.encode(pair.lr_picture) for pair in taken.pairs(scale=1)]

    lines: list[tuple[str, ...]] = []
    for scale in options.scales:
        for threshold in options.thresholds:
            table = calibration.table(threshold).bound_to(model)
            found = overall([measured(model, table, image, scale) for image in pictures])
            macs, saved = found["macs_saved"], found["time_saved"]
            figures = f"x{scale:g}", f"{threshold:.0e}", f"{found['cmsr_mse']:.1e}", f"{100 * macs:.0f}"
            lines.append((*figures, f"{found['full_ms'] / 1000:.3g}", f"{100 * saved:.0f}", f"{saved / macs:.2f}"))
            print(*lines[-1], flush=True)
    write_text(Path(options.output), Table.of_text(HEADER, lines).markdown())


def measured(model: Model, table: BoundTable, image: ContinuousImage, scale: float) -> dict[str, int | float]:
    """One picture."""
    height, width = (round(scale * side) for side in image.size)
    seconds: dict[str, list[float]] = {"full_ms": [], "cmsr_ms": []}
    for _ in range(ROUNDS):
        for name, taken in zip(seconds, (None, table), strict=True):
            begin = time.perf_counter()
            pixels = image.render(height, width, cmsr=taken)
            if image.encoded.lr.is_cuda:
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - begin)
            del pixels
    fastest = {name: 1000 * min(times) for name, times in seconds.items()}
    return SavingsMeter(model, table, repeats=0).measure(image, height, width) | fastest


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
