"""Whether intensity follows complexity, and CMSR keeps to its threshold, on pictures of every kind; see README.md.

python experiments/03-intensity/kinds.py BENCHMARK KINDS experiments/03-intensity [--model NAME_OR_FILE] [--scale 8]

KINDS holds a folder of pictures for each kind. Of kinds that the shipped models were trained on, the pictures trained on are
left out (`TRAINED_ON`). Of each kind every other picture is measured, and the others serve to calibrate on the kind.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import track
from run import HIGH, PAPER, POSITIONS, complexity, correlations
from torch import Tensor

import lmf_sr
from lmf_sr.atomic import replacing
from lmf_sr.cmsr.calibration import Calibration, coarse_errors
from lmf_sr.cmsr.measures import Measure
from lmf_sr.cmsr.savings import SavingsMeter, overall
from lmf_sr.cmsr.table import BoundTable
from lmf_sr.data import Benchmark
from lmf_sr.evaluation.metrics import PROTOCOLS, psnr
from lmf_sr.images import list_images, read_rgb8, resize_pillow
from lmf_sr.jobs.settings import calibration_of
from lmf_sr.model import Model
from lmf_sr.results.table import Table

TRAINED_ON = {"screens": slice(0, None, 2), "graphics": slice(0, None, 2), "text": slice(1, None, 2)}
DECODE_SCALES = 1.0, 2.0, 4.0, 6.0
SIDE = 96  # LR pixels of the middle of a picture that is shown as it is
THRESHOLDS = 5e-6, 2e-5, 1e-4

Lr = Float[Tensor, "3 h w"]


class Pictures(NamedTuple):
    """LR pictures in [0, 1] with their HR pictures, which those that are shown as they are do not have."""

    lr: list[Lr]
    hr: list[Float[Tensor, "3 H W"] | None]


def main() -> None:
    """Measures, and writes kinds.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("kinds", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="rlfn-lm-liif")
    parser.add_argument("--scale", type=float, default=8.0)
    options = parser.parse_args()
    model, scale = lmf_sr.load(options.model), options.scale
    shipped = Calibration.load(calibration_of(options.model))
    photographs = [path for images in Benchmark(options.benchmark).evaluation() for path in images.images.values()]
    kinds = {"photographs": photographs} | {
        folder.name: list_images(folder) for folder in sorted(options.kinds.iterdir()) if folder.is_dir()
    }

    correlated, kept = [], []
    for kind, files in track(kinds.items()):
        on_kind = [files[i] for i in range(len(files))[TRAINED_ON.get(kind, slice(1, None, 2))]]
        measured = [file for file in files if file not in on_kind]
        unseen = measured if kind in TRAINED_ON else files
        correlated.append(correlation_row(model, kind, shown(unseen, scale, as_they_are=True).lr, scale))
        for as_they_are in (False, True):
            pictures, others = (shown(part, scale, as_they_are) for part in (measured, on_kind))
            own = calibrated(model, others.lr, scale)
            for threshold in THRESHOLDS:
                tables = [
                    shipped.table(threshold),
                    shipped.table(threshold, "minimum"),
                    own.table(threshold),
                ]
                cells = [found(model, table.bound_to(model), pictures, scale, threshold) for table in tables]
                label = kind, "as they are" if as_they_are else f"reduced by {scale:g}", str(len(measured))
                kept.append([*label, f"{threshold:.0e}", *cells[0], *cells[1][:3:2], *cells[2][:3:2]])
    write(options.output / "kinds.md", correlated, kept, f"{options.model}, x{scale:g}")


def shown(files: Sequence[Path], scale: float, as_they_are: bool) -> Pictures:
    """The pictures reduced by the scale; or the middles of the pictures themselves."""
    pictures = Pictures([], [])
    for file in files:
        rgb = read_rgb8(file)
        height, width = rgb.shape[1:]
        if as_they_are:
            top, left = max(height - SIDE, 0) // 2, max(width - SIDE, 0) // 2
            lr, hr = rgb[:, top : top + SIDE, left : left + SIDE], None
        else:
            h, w = int(height / scale), int(width / scale)
            hr = rgb[:, : round(h * scale), : round(w * scale)]
            lr = resize_pillow(hr, h, w)
        pictures.lr.append(lr / 255)
        pictures.hr.append(None if hr is None else hr / 255)
    return pictures


def calibrated(model: Model, pictures: Sequence[Lr], scale: float) -> Calibration:
    """A calibration on pictures of a kind."""
    calibration = Calibration.empty(model, "", [scale], DECODE_SCALES)
    for number, lr in enumerate(pictures):
        errors = coarse_errors(model, lr, scale, calibration.scales[scale])
        calibration.targets[scale].add(*errors.binned(calibration.measure))
        calibration.images.append(str(number))
    return calibration


def found(model: Model, table: BoundTable, pictures: Pictures, scale: float, threshold: float) -> tuple[str, ...]:
    """What a table does to pictures: MSE over the threshold, of all together and of the worst; MACs saved; dB lost."""
    meter, metrics, losses, values = SavingsMeter(model, table, repeats=0), [], [], []
    for lr, hr in zip(pictures.lr, pictures.hr, strict=True):
        image = model.encode(lr)
        height, width = (round(scale * side) for side in image.size)
        metrics.append(meter.measure(image, height, width))
        values.append(height * width)
        if hr is not None:
            both = (image.render(height, width, cmsr=cmsr)[0] for cmsr in (None, table))
            in_full, coarse = (psnr(sr, hr, scale, PROTOCOLS["benchmark-rgb"]) for sr in both)
            losses.append(in_full - coarse)
    mse = np.array([m["cmsr_mse"] for m in metrics]) / threshold
    lost = f"{np.mean(losses):.3f}" if losses else ""
    together = np.average(mse, weights=values)
    return f"{together:.2f}", f"{mse.max():.2f}", f"{100 * overall(metrics)['macs_saved']:.0f}", lost


def correlation_row(model: Model, kind: str, pictures: Sequence[Lr], scale: float) -> list[str]:
    """Spearman's correlations of intensity with complexity, and of intensity and complexity with the error at x2."""
    random = np.random.default_rng(0)
    samples = []
    for lr in pictures:
        errors = coarse_errors(model, lr, scale, (2.0,))
        maps = {
            PAPER: errors.intensity(Measure()),
            "first-layer": errors.intensity(Measure("first-layer")),
            "error": errors.squared[0] / errors.values,
            **complexity(lr),
        }
        size = errors.values.numel()
        picked = random.choice(size, min(POSITIONS, size), replace=False)
        samples.append({key: values.flatten().double().numpy()[picked] for key, values in maps.items()})
    pairs = correlations(samples, random)
    asked = (
        (PAPER, "local variance"),
        (PAPER, "gradient energy"),
        (PAPER, "high DCT energy"),
        (PAPER, "error"),
        ("first-layer", "error"),
        ("local variance", "error"),
    )
    return [kind, str(len(pictures)), *(pairs[pair][0] for pair in asked)]


def write(path: Path, correlated: list[list[str]], kept: list[list[str]], about: str) -> None:
    """Both tables."""
    header = "kind", "pictures", "local variance", "gradient energy", f"DCT, u + v >= {HIGH}"
    errors = "error at x2", "first layer's shifts and error", "local variance and error"
    first = Table.of_text([*header, *errors], correlated)
    header = "kind", "LR pictures", "pictures", "MSE asked for"
    columns = ("MSE found / asked", "of the worst picture", "MACs saved (%)", "PSNR lost (dB)")
    others = (
        f"{name}: {what}"
        for name in ("minimum", "calibrated on the kind")
        for what in ("found / asked", "MACs saved (%)")
    )
    second = Table.of_text([*header, *columns, *others], kept, labels=2)
    text = (
        f"Spearman's correlation of the paper's intensity with complexity and with the error of rendering at x2, of LR "
        f"pictures as they are; 95 % intervals over pictures:\n\n{first.markdown()}\n"
        f"CMSR by the calibration that ships (on photographs, `overall`); the same by `minimum`; and by a calibration on "
        f"other pictures of the kind:\n\n{second.markdown()}\n{about}\n"
    )
    with replacing(path) as file:
        file.write(text.encode())
    print(text)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
