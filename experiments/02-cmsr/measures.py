"""Which measure should CMSR go by? Each is calibrated on photographs, and measured on pictures held out; see README.md.

python experiments/02-cmsr/measures.py BENCHMARK measures.md --photographs FOLDER ... [--models NAME_OR_FILE ...]

A picture is rendered once at each decode scale. The error of a table follows, because its levels stand by themselves: it is
that of each latent at the level that the table gives it.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from scipy.stats import spearmanr

import lmf_sr
from lmf_sr.atomic import write_text
from lmf_sr.cmsr.calibration import Calibration, CoarseErrors, coarse_errors, evenly_spread
from lmf_sr.cmsr.fitting import fit
from lmf_sr.cmsr.measures import NAMES, Measure
from lmf_sr.data import Benchmark, PairedImages
from lmf_sr.images import list_images
from lmf_sr.model import Model
from lmf_sr.profiling import DecoderMacs, decoder_macs
from lmf_sr.results.table import Table

MODELS = "rlfn-lm-liif", "edsr-baseline-lm-liif", "edsr-tiny-lm-lte"
DECODE_SCALES = 1.0, 2.0, 4.0, 6.0, 8.0
SHOWN = 5e-6, 2e-5, 1e-4
THRESHOLDS = np.array([1e-6, 2e-6, 3e-6, 5e-6, 7e-6, 1e-5, 1.4e-5, 2e-5, 3e-5, 4e-5, 6e-5, 1e-4, 1.5e-4, 2e-4, 4e-4])
PAPERS_MSE = 2e-5
RESAMPLES = 1000
COUNTED_ON = 24, 24  # LR pixels of a picture on which multiply-accumulates are counted

Array = NDArray[np.float64]


class Outcome(NamedTuple):
    """Squared errors, values, pixels rendered, pixels, MACs, MACs in full of each picture; and sums by threshold."""

    squared: Array
    values: Array
    rendered: Array
    pixels: Array
    macs: Array
    full_macs: Array


def main() -> None:
    """Calibrates, measures, and writes two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", type=Path, help="a folder of benchmark sets, to measure on")
    parser.add_argument("output", type=Path)
    parser.add_argument("--photographs", type=Path, nargs="+", required=True, help="folders, to calibrate on")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--scales", type=float, nargs="+", default=[8.0, 12.0])
    options = parser.parse_args()
    files = {str(file): file for folder in options.photographs for file in list_images(folder)}
    photographs = PairedImages("training", evenly_spread(files, options.images))
    held_out = Benchmark(options.benchmark).evaluation()

    equal, by_threshold = [], []
    more: dict[str, list[float]] = {}
    for name in options.models:
        model = lmf_sr.load(name)
        calibrations = calibrated(model, photographs, options.scales)
        macs = decoder_macs(model, COUNTED_ON, plain=False)
        for scale in options.scales:
            errors = [
                coarse_errors(model, pair.lr_picture, scale, calibrations[0].scales[scale])
                for images in held_out
                for pair in images.pairs(scale)
            ]
            outcomes = [measured(calibration, errors, scale, macs) for calibration in calibrations]
            for calibration, outcome in zip(calibrations, outcomes, strict=True):
                row = Path(name).stem, f"x{scale:g}", calibration.measure.name
                more.setdefault(calibration.measure.name, []).append(
                    saved_at(outcome, PAPERS_MSE) / saved_at(outcomes[0], PAPERS_MSE)
                )
                order = f"{spearman(errors, calibration.measure, calibrations[0].scales[scale].index(2.0)):.3f}"
                equal.append([*row, order, *(f"{100 * saved_at(outcome, mse):.1f}" for mse in SHOWN)])
                equal[-1].append("" if outcome is outcomes[0] else more_saved(outcome, outcomes[0]))
                by_threshold.append([*row, *(cell for mse in SHOWN for cell in as_asked(outcome, mse))])
    header = ["model", "scale", "measure"]
    tables = (
        Table.of_text([*header, "Spearman, error at x2", *(f"MACs saved (%), {mse:.0e}" for mse in SHOWN),
                       f"saved / saved by the paper's, {PAPERS_MSE:.0e}"], equal, labels=3),
        Table.of_text([*header, *(f"{what}, {mse:.0e}" for mse in SHOWN
                                  for what in ("MSE found / asked", "rendered (%)", "MACs saved (%)"))],
                      by_threshold, labels=3),
    )  # fmt: skip
    about = (
        f"Calibrated on {len(photographs)} photographs, measured on {sum(map(len, held_out))} pictures of "
        f"{', '.join(images.name for images in held_out)}."
    )
    means = ", ".join(f"{name} {np.mean(ratios):.3f}" for name, ratios in more.items())
    text = (
        f"At the same *measured* MSE, with 95 % intervals over pictures:\n\n{tables[0].markdown()}\n"
        f"Means of the last column over models and scales: {means}.\n\n"
        f"At the MSE *asked for*:\n\n{tables[1].markdown()}\n{about}\n"
    )
    write_text(options.output, text)
    print(text)


def calibrated(model: Model, photographs: PairedImages, scales: list[float]) -> list[Calibration]:
    """A calibration for each measure, of the same renderings."""
    empty = Calibration.empty(model, "", scales, DECODE_SCALES)
    measures = [fit(model, photographs, empty.scales) if name == "learnt" else Measure(name) for name in NAMES]
    calibrations = [Calibration.empty(model, "", scales, DECODE_SCALES, measure) for measure in measures]
    for name in track(photographs.names(), "calibrating"):
        for scale, decode_scales in empty.scales.items():
            errors = coarse_errors(model, photographs.pair(name, scale).lr_picture, scale, decode_scales)
            for calibration in calibrations:
                calibration.targets[scale].add(*errors.binned(calibration.measure))
        for calibration in calibrations:
            calibration.images.append(name)
    return calibrations


def measured(calibration: Calibration, errors: list[CoarseErrors], scale: float, macs: DecoderMacs) -> Outcome:
    """The savings and losses of the tables for all thresholds on pictures."""
    tables = [calibration.table(threshold) for threshold in THRESHOLDS]
    rows = []
    for picture in errors:
        h, w = picture.values.shape
        pixels = round(scale * h) * round(scale * w)
        once = macs.once * h * w / (COUNTED_ON[0] * COUNTED_ON[1])  # of the latents
        found = [picture.by_table(table) for table in tables]
        squared, rendered = np.array(found).T
        rows.append(
            (
                squared,
                float(picture.values.sum()),
                rendered,
                pixels,
                once + macs.per_pixel * rendered,
                once + macs.per_pixel * pixels,
            )
        )
    return Outcome(*(np.array(column, dtype=float) for column in zip(*rows, strict=True)))


def spearman(errors: list[CoarseErrors], measure: Measure, number: int) -> float:
    """The rank correlation of intensities with the errors of one decode scale, over the latents of all pictures."""
    intensity = torch.cat([picture.intensity(measure).flatten() for picture in errors])
    mse = torch.cat([(picture.squared[number] / picture.values).flatten() for picture in errors])
    return float(spearmanr(intensity.numpy(), mse.numpy()).statistic)


def curve(outcome: Outcome, times: Array) -> tuple[Array, Array]:
    """Measured MSE and share of MACs saved by threshold, where picture p counts `times[p]` times."""
    mse = times @ outcome.squared / (times @ outcome.values)
    return np.maximum.accumulate(mse), 1 - times @ outcome.macs / (times @ outcome.full_macs)


def saved_at(outcome: Outcome, mse: float, times: Array | None = None) -> float:
    """The share of MACs saved at a measured MSE, interpolated over its logarithm."""
    found, saved = curve(outcome, np.ones(len(outcome.values)) if times is None else times)
    return float(np.interp(np.log(mse), np.log(found + 1e-12), saved))


def more_saved(outcome: Outcome, paper: Outcome, mse: float = PAPERS_MSE) -> str:
    """How much more is saved than by the paper's measure at the same measured MSE, with its interval."""
    random, count = np.random.default_rng(0), len(outcome.values)
    resamples = random.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
    ratios = [saved_at(outcome, mse, times) / saved_at(paper, mse, times) for times in resamples]
    low, high = np.percentile(ratios, [2.5, 97.5])
    return f"{saved_at(outcome, mse) / saved_at(paper, mse):.2f} [{low:.2f}, {high:.2f}]"


def as_asked(outcome: Outcome, mse: float) -> tuple[str, str, str]:
    """Measured over asked-for MSE, pixels rendered and MACs saved, at a threshold."""
    at = THRESHOLDS.tolist().index(mse)
    found, saved = curve(outcome, np.ones(len(outcome.values)))
    rendered = outcome.rendered[:, at].sum() / outcome.pixels.sum()
    return f"{found[at] / THRESHOLDS[at]:.2f}", f"{100 * rendered:.1f}", f"{100 * saved[at]:.1f}"


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
