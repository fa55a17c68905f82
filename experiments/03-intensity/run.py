"""Correlations of modulation intensity with image complexity and with the error CMSR makes; see README.md.

python experiments/03-intensity/run.py CHECKPOINT PHOTOGRAPHS OUTPUT [--images N] [--scale S]
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray
from rich.progress import track
from scipy.stats import rankdata
from torch import Tensor

import lmf_sr
from lmf_sr.atomic import replacing, write_text
from lmf_sr.cmsr.calibration import single_scale_table
from lmf_sr.data import Pictures
from lmf_sr.geometry import Grid, clip_cell, relative_cell
from lmf_sr.images import luma
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.model import ContinuousImage
from lmf_sr.rendering.pixel_axes import nearest_latents
from lmf_sr.results.table import Table

Maps = dict[str, Float[Tensor, "h w"]]
Samples = list[dict[str, NDArray[np.float64]]]  # of each photograph, quantity to values at the positions picked

PAPER = "mean abs shift (the paper's)"
COARSE = (2.0, 4.0)  # decode scales whose error is predicted
POSITIONS = 500  # taken of each photograph, at random
RESAMPLES = 1000
TINY = 1e-12  # of flat places, whose logarithm there is none of
SIDE = 8  # of the DCT's blocks
HIGH = 4  # frequencies u + v from here on are high


def main() -> None:
    """Measures, correlates, writes table.md and scatter.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--scale", type=float, default=8.0)
    options = parser.parse_args()
    model = lmf_sr.load(options.checkpoint)
    (images,) = Pictures(options.photographs).evaluation()
    names = images.names()
    names = [names[i * len(names) // options.images] for i in range(min(options.images, len(names)))]

    random = np.random.default_rng(0)
    samples: Samples = []
    for name in track(names):
        image = model.encode(images.pair(name, options.scale).lr_picture)
        maps = modulation_statistics(image) | complexity(image.encoded.lr[0] * 0.5 + 0.5) | errors(image, options.scale)
        size = next(iter(maps.values())).numel()
        picked = random.choice(size, min(POSITIONS, size), replace=False)
        samples.append({key: values.flatten().double().numpy()[picked] for key, values in maps.items()})

    targets = [key for key in samples[0] if key.startswith("error")]
    measures = ["local variance", "gradient energy", "high DCT energy"]
    predictors = [key for key in samples[0] if key not in targets]
    header = ["predictor", *(f"{r}, {t}" for t in [*targets, *measures] for r in ("Spearman", "Pearson (log)"))]
    lines = []
    found = correlations(samples, random)
    for predictor in predictors:
        row = [found.get((predictor, target), ("", "")) for target in [*targets, *measures]]
        lines.append([predictor, *(cell for pair in row for cell in pair)])
    about = f"{len(names)} photographs of {options.photographs.name}, x{options.scale:g}, {options.checkpoint}"
    write_text(options.output / "table.md", f"{Table.of_text(header, lines).markdown()}\n{about}\n")
    scatter(samples, [PAPER, *measures], targets, options.output / "scatter.png")


def modulation_statistics(image: ContinuousImage) -> Maps:
    """Statistics of the scale and shift modulations at each LR position, beyond scale 4."""
    decoder = image.model.decoder
    assert isinstance(decoder, Conversion)
    cell = clip_cell(torch.tensor([Grid.over(*(4 * side for side in image.size)).cell]), image.size)
    with torch.inference_mode():
        latents = decoder.latents(image.encoded.features, relative_cell(cell, image.size))[0]
    size = decoder.depth * decoder.width
    scale, shift = (part.abs().unflatten(-1, (decoder.depth, decoder.width)) for part in latents.split(size, -1)[:2])
    return {
        PAPER: shift.mean((-1, -2)),
        "mean abs scale": scale.mean((-1, -2)),
        "mean of both": (shift + scale).mean((-1, -2)) / 2,
        "max abs shift": shift.amax((-1, -2)),
        "max abs scale": scale.amax((-1, -2)),
        **{f"mean abs shift, layer {l + 1}": shift[..., l, :].mean(-1) for l in range(decoder.depth)},
        **{f"mean abs scale, layer {l + 1}": scale[..., l, :].mean(-1) for l in range(decoder.depth)},
    }


def complexity(picture: Float[Tensor, "3 h w"]) -> Maps:
    """Measures of the neighbourhood of each pixel, of the luma: 5 x 5 pixels, for the DCT 8 x 8."""
    y = luma(picture)[None]
    padded = F.pad(y, [2] * 4, mode="replicate")
    mean, square = F.avg_pool2d(padded, 5, 1), F.avg_pool2d(padded.square(), 5, 1)
    rows, cols = F.pad(y, [0, 0, 1, 1], mode="replicate"), F.pad(y, [1, 1, 0, 0], mode="replicate")
    gradient = ((rows[:, :, 2:] - rows[:, :, :-2]) / 2).square() + ((cols[..., 2:] - cols[..., :-2]) / 2).square()
    blocks = F.pad(y, [SIDE // 2 - 1, SIDE // 2] * 2, mode="replicate")
    return {
        "local variance": (square - mean.square()).clamp(min=0)[0, 0],
        "gradient energy": F.avg_pool2d(F.pad(gradient, [2] * 4, mode="replicate"), 5, 1)[0, 0],
        "high DCT energy": F.conv2d(blocks, high_frequencies()).square().sum(1)[0],
    }


def high_frequencies() -> Float[Tensor, "n 1 8 8"]:
    """The orthonormal DCT-II basis functions of 8 x 8 pixels with u + v >= HIGH."""
    n = torch.arange(SIDE)
    basis = torch.cos(math.pi * (2 * n[None] + 1) * n[:, None] / (2 * SIDE)) * math.sqrt(2 / SIDE)
    basis[0] /= math.sqrt(2)
    u, v = torch.meshgrid(n, n, indexing="ij")
    high = u + v >= HIGH
    return torch.einsum("ui,vj->uvij", basis, basis)[high].unsqueeze(1)


def errors(image: ContinuousImage, scale: float) -> Maps:
    """The MSE, over the pixels of each LR position, of rendering at a coarse scale and upsampling."""
    height, width = (round(side * scale) for side in image.size)
    rows, cols = nearest_latents(Grid.over(height, width), image.size)
    place = (rows[:, None] * image.size[1] + cols).flatten()
    full = image.render(height, width, clamp=False)
    maps = {}
    for coarse in COARSE:
        found = image.render(height, width, clamp=False, cmsr=single_scale_table(scale, coarse).bound_to(image.model))
        squared = (2 * (found - full)).square().mean((0, 1)).double().flatten()
        sums = torch.bincount(place, squared) / torch.bincount(place)
        maps[f"error at x{coarse:g}"] = sums.view(image.size)
    return maps


def correlations(samples: Samples, random: np.random.Generator) -> dict[tuple[str, str], tuple[str, str]]:
    """Spearman's correlation of each two quantities, and Pearson's of their logarithms, each with its 95 % interval.

    Photographs are resampled, not positions, which are not independent. Ranks are those among all positions, so that a
    correlation follows from sums over photographs, whatever the resample.
    """
    names = list(samples[0])
    columns = np.stack([np.concatenate([sample[name] for sample in samples]) for name in names])
    photographs = random.multinomial(len(samples), np.full(len(samples), 1 / len(samples)), RESAMPLES)
    times = np.concatenate([np.ones((1, len(samples)), int), photographs])  # each counts; first, as it is
    bounds = np.cumsum([len(sample[names[0]]) for sample in samples])[:-1]
    found = []
    for values in (rankdata(columns, axis=-1), np.log(columns + TINY)):
        values -= values.mean(-1, keepdims=True)
        values = np.concatenate([values, np.ones_like(values[:1])])
        moments = np.stack([part @ part.T for part in np.split(values, bounds, axis=-1)])
        sums = np.einsum("rp,pij->rij", times, moments)
        mean = sums[:, :-1, -1] / sums[:, -1:, -1]
        covariance = sums[:, :-1, :-1] / sums[:, -1:, -1:] - mean[:, :, None] * mean[:, None]
        spread = np.sqrt(np.einsum("rii->ri", covariance))
        found.append(covariance / (spread[:, :, None] * spread[:, None]))

    def shown(r: NDArray[np.float64]) -> str:
        low, high = np.percentile(r[1:], [2.5, 97.5])
        return f"{r[0]:.3f} [{low:.3f}, {high:.3f}]"

    indices = range(len(names))
    return {
        (names[i], names[j]): (shown(found[0][:, i, j]), shown(found[1][:, i, j]))
        for i in indices
        for j in indices
        if i != j
    }


def scatter(samples: Samples, predictors: list[str], targets: list[str], path: Path) -> None:
    """How errors lie against predictors: the density of positions, on logarithmic axes."""
    figure = Figure(figsize=(3.6 * len(predictors), 3.4 * len(targets)), layout="constrained")
    axes = figure.subplots(len(targets), len(predictors), squeeze=False)
    for line, target in zip(axes, targets, strict=True):
        for ax, predictor in zip(line, predictors, strict=True):
            x, y = (np.concatenate([sample[key] for sample in samples]) for key in (predictor, target))
            shown = (x > 0) & (y > 0)
            ax.hexbin(x[shown], y[shown], xscale="log", yscale="log", gridsize=60, bins="log", cmap="viridis")
            ax.set(xlabel=predictor, ylabel=target)
            ax.xaxis.set_minor_formatter(NullFormatter())  # of an axis of one decade they would overlap
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=150)


if __name__ == "__main__":
    main()
