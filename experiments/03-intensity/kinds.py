"""Whether intensity follows complexity, and CMSR keeps to its threshold, on pictures of every kind; see README.md.

python experiments/03-intensity/kinds.py BENCHMARK KINDS experiments/03-intensity [--model NAME_OR_FILE] [--scale 8]

KINDS holds a folder of pictures for each kind. Of kinds that the shipped models were trained on, the pictures trained on are
left out (`TRAINED_ON`). Of each kind every other picture is measured, and the others serve to calibrate on the kind.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import track
from run import HIGH, PAPER, POSITIONS, complexity, correlations
from torch import Tensor

import lmf_sr
from lmf_sr.atomic import write_text
from lmf_sr.cmsr.calibration import Calibration, CoarseErrors, coarse_errors
from lmf_sr.cmsr.measures import Measure
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.data import Benchmark
from lmf_sr.evaluation.metrics import PROTOCOLS, psnr
from lmf_sr.images import list_images, read_rgb8, resize_pillow
from lmf_sr.jobs.settings import calibration_of
from lmf_sr.model import Model
from lmf_sr.profiling import DecoderMacs, decoder_macs
from lmf_sr.results.table import Table

TRAINED_ON = {"screens": slice(0, None, 2), "graphics": slice(0, None, 2), "text": slice(1, None, 2)}
DECODE_SCALES = 1.0, 2.0, 4.0, 6.0
SIDE = 64  # LR pixels
THRESHOLDS = 5e-6, 2e-5, 1e-4
COUNTED_ON = 24, 24  # LR pixels of a picture on which multiply-accumulates are counted

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

    macs = decoder_macs(model, COUNTED_ON, plain=False)
    correlated, kept = [], []
    for kind, files in track(kinds.items()):
        on_kind = [files[i] for i in range(len(files))[TRAINED_ON.get(kind, slice(1, None, 2))]]
        measured = [file for file in files if file not in on_kind]
        for as_they_are in (True, False):
            pictures, others = (shown(part, scale, as_they_are) for part in (measured, on_kind))
            errors = [coarse_errors(model, lr, scale, DECODE_SCALES) for lr in pictures.lr]
            of_others = [coarse_errors(model, lr, scale, DECODE_SCALES) for lr in others.lr]
            if as_they_are:  # all that were not trained on
                unseen = errors + ([] if kind in TRAINED_ON else of_others)
                correlated.append(correlation_row(kind, unseen))
            own = calibrated(model, of_others, scale)
            for threshold in THRESHOLDS:
                table = shipped.table(threshold)
                cells = kept_to(table, errors, threshold, macs)
                lost = psnr_lost(model, table, pictures, scale)
                # The paper's rule, with levels that stand by themselves: what `by_table` knows.
                by_minimum = replace(shipped.table(threshold, "minimum"), chained=False)
                more = [kept_to(other, errors, threshold, macs) for other in (by_minimum, own.table(threshold))]
                label = kind, "as they are" if as_they_are else f"reduced by {scale:g}", str(len(measured))
                kept.append([*label, f"{threshold:.0e}", *cells, lost, *more[0][::2], *more[1][::2]])
    write(options.output / "kinds.md", correlated, kept, f"{options.model}, x{scale:g}")


def shown(files: Sequence[Path], scale: float, as_they_are: bool) -> Pictures:
    """The middles of the pictures, as they are, or reduced by the scale: LR pictures of up to `SIDE` pixels a side."""
    pictures = Pictures([], [])
    for file in files:
        rgb = read_rgb8(file)
        side = SIDE if as_they_are else round(SIDE * scale)
        top, left = (max(length - side, 0) // 2 for length in rgb.shape[1:])
        hr = rgb[:, top : top + side, left : left + side]
        if as_they_are:
            pictures.lr.append(hr / 255)
            pictures.hr.append(None)
            continue
        h, w = (int(length / scale) for length in hr.shape[1:])
        hr = hr[:, : round(h * scale), : round(w * scale)]
        pictures.lr.append(resize_pillow(hr, h, w) / 255)
        pictures.hr.append(hr / 255)
    return pictures


def calibrated(model: Model, pictures: Sequence[CoarseErrors], scale: float) -> Calibration:
    """A calibration on pictures of a kind."""
    calibration = Calibration.empty(model, "", [scale], DECODE_SCALES)
    for number, errors in enumerate(pictures):
        calibration.targets[scale].add(*errors.binned(calibration.measure))
        calibration.images.append(str(number))
    return calibration


def kept_to(
    table: Scale2Mod, pictures: Sequence[CoarseErrors], threshold: float, macs: DecoderMacs
) -> tuple[str, str, str]:
    """The effect of a table on pictures: MSE over the threshold, of all together and of the worst; MACs saved."""
    squared, rendered = np.array([errors.by_table(table) for errors in pictures]).T
    values = np.array([float(errors.values.sum()) for errors in pictures])
    latents = sum(errors.values.numel() for errors in pictures)
    once = macs.once * latents / (COUNTED_ON[0] * COUNTED_ON[1])
    saved = 1 - (once + macs.per_pixel * rendered.sum()) / (once + macs.per_pixel * values.sum() / 3)
    mse = squared / values / threshold
    return f"{squared.sum() / values.sum() / threshold:.2f}", f"{mse.max():.2f}", f"{100 * saved:.0f}"


def psnr_lost(model: Model, table: Scale2Mod, pictures: Pictures, scale: float) -> str:
    """The mean of the PSNR lost against the full rendering, where there are HR pictures."""
    bound, losses = table.bound_to(model), []
    for lr, hr in zip(pictures.lr, pictures.hr, strict=True):
        if hr is not None:
            image = model.encode(lr)
            both = (image.render(*hr.shape[1:], cmsr=cmsr)[0] for cmsr in (None, bound))
            in_full, coarse = (psnr(sr, hr, scale, PROTOCOLS["benchmark-rgb"]) for sr in both)
            losses.append(in_full - coarse)
    return f"{np.mean(losses):.3f}" if losses else ""


def correlation_row(kind: str, pictures: Sequence[CoarseErrors]) -> list[str]:
    """Spearman's correlations of intensity with complexity, and of intensity and complexity with the error at x2."""
    random = np.random.default_rng(0)
    samples = []
    for errors in pictures:
        maps = {
            PAPER: errors.intensity(Measure()),
            "first-layer": errors.intensity(Measure("first-layer")),
            "error": errors.squared[DECODE_SCALES.index(2.0)] / errors.values,
            **complexity(errors.lr[0] * 0.5 + 0.5),
        }
        size = errors.values.numel()
        picked = random.choice(size, min(POSITIONS, size), replace=False)
        samples.append({key: values.flatten().double().numpy()[picked] for key, values in maps.items()})
    pairs = correlations(samples, random)
    correlated = (
        (PAPER, "local variance"),
        (PAPER, "gradient energy"),
        (PAPER, "high DCT energy"),
        (PAPER, "error"),
        ("first-layer", "error"),
        ("local variance", "error"),
    )
    return [kind, str(len(pictures)), *(pairs[pair][0] for pair in correlated)]


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
    write_text(path, text)
    print(text)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
