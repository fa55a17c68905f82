"""The pieces of the bound of docs/theory.md, checked on trained models; see README.md.

python experiments/09-theory/run.py BENCHMARK experiments/09-theory [--models NAME_OR_FILE ...]

Everything is computed in float64, on LR pictures reduced by 8, of which the middle is taken. Lengths are in the unit of
`rel`, in which neighbouring latents are 2 apart, so that sampling at a decode scale s puts samples h = 2 / s apart.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from rich.progress import track
from scipy.stats import spearmanr
from torch import Tensor

import lmf_sr
from lmf_sr.atomic import write_text
from lmf_sr.cmsr.calibration import coarse_errors
from lmf_sr.cmsr.measures import PAPER, Measure
from lmf_sr.data import Benchmark
from lmf_sr.geometry import Grid, clip_cell, relative_cell, sample_bilinear
from lmf_sr.lmf.conversion import Conversion, LinearFirst, LMFState
from lmf_sr.model import Model
from lmf_sr.rendering.tiling import Window
from lmf_sr.results.table import Table

MODELS = "edsr-baseline-lm-liif", "rlfn-lm-liif", "edsr-tiny-lm-lte"
SIDE = 40  # LR pixels
REDUCED = 8
FINE = 128  # samples of a length of 2
SCALES = 2, 4, 8  # decode scales whose errors are looked at
LATENTS, LINES = 64, 6  # taken of each picture, at random
COARSE = 2.0  # the decode scale whose error is predicted, by target scale 8

Patches = Float[Tensor, "v n 3"]


class Latents(NamedTuple):
    """Some latents: gain and offset of each hidden layer, what is left of the code, and the relative cell."""

    gain: Float[Tensor, "v L D"]
    offset: Float[Tensor, "v L D"]
    code: Float[Tensor, "v k"]
    cell: Float[Tensor, "1 2"]

    def at(self, index: Tensor) -> "Latents":
        return Latents(self.gain[index], self.offset[index], self.code[index], self.cell)


class Picture(NamedTuple):
    """A picture with its latents, row by row, and the same without their shifts."""

    lr: Float[Tensor, "1 3 h w"]
    state: LMFState
    latents: Latents
    unshifted: Latents

    @property
    def size(self) -> tuple[int, int]:
        return self.lr.shape[-2], self.lr.shape[-1]


def main() -> None:
    """Checks, and writes pieces.md and ranks.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--models", nargs="+", default=MODELS)
    options = parser.parse_args()
    pieces, ranks = [], []
    for name in options.models:
        model = lmf_sr.load(name).double()
        decoder = model.decoder
        assert isinstance(decoder, Conversion)
        random = torch.Generator().manual_seed(0)
        checked, ranked = [], []
        for images in Benchmark(options.benchmark).evaluation():
            for pair in track([images.pair(one, REDUCED) for one in images.names()], name):
                top, left = (max(side - SIDE, 0) // 2 for side in pair.lr.shape[1:])
                lr = pair.lr[:, top : top + SIDE, left : left + SIDE].double() / 255
                picture = prepared(model, lr)
                checked.append(check(decoder, picture, random))
                ranked.append(predictors(model, decoder, picture, lr))
        label = Path(name).stem
        pieces.append([label, *summary(checked)])
        ranks += rank_rows(label, ranked)
    about = f"{len(checked)} pictures of {options.benchmark.name}, reduced by {REDUCED}.\n"
    header = (
        "model", "intervals where the error exceeds h/4 TV", "error / (h/4 TV), median", "TV of the rendering / (K + S + J)",
        "share of K", "share of S", "share of J", "latents whose kinks exceed the bound", "kinks / bound, median",
        "kinks / bound, highest", "neurons that may kink (%)", "without shifts (%)",
        "log2 of E(x2)/E(x4)", "log2 of E(x4)/E(x8)",
    )  # fmt: skip
    write(options.output / "pieces.md", f"{Table.of_text(header, pieces).markdown()}\n{about}")
    header = ("model", "predictor", "Spearman, error at x2")
    write(options.output / "ranks.md", f"{Table.of_text(header, ranks, labels=2).markdown()}\n{about}")


def prepared(model: Model, lr: Float[Tensor, "3 h w"]) -> Picture:
    """The state beyond scale 4, whose clipped cell is the same for all scales."""
    decoder = model.decoder
    assert isinstance(decoder, Conversion)
    image = model.encode(lr)
    cell = relative_cell(
        clip_cell(lr.new_tensor([Grid.over(*(REDUCED * side for side in image.size)).cell]), image.size), image.size
    )
    made = decoder.latents(image.encoded.features, cell)
    _, shift, _ = decoder.parts(made)
    state = decoder.fold(made, cell)
    gain, offset, code = (part.flatten(0, 2) for part in decoder.split_modulations(state.modulations))
    latents = Latents(gain, offset, code, state.cell)
    unshifted = latents._replace(offset=offset - shift.reshape(offset.shape))
    return Picture(image.encoded.lr, state, latents, unshifted)


def patch(decoder: Conversion, latents: Latents, rel: Float[Tensor, "v n 2"]) -> Patches:
    """The prediction of each latent at points around it, without a constant: W_L y_L."""
    y = decoder.input_at_hr(latents.code[:, None], rel, latents.cell[:, None])
    *hidden, last = decoder.render_weights
    for layer, W in enumerate(hidden):
        y = (latents.gain[:, None, layer] * (y @ W.T) + latents.offset[:, None, layer]).relu()
    return y @ last.T


def variation(values: Float[Tensor, "*N n c"], step: float) -> Float[Tensor, "*N c"]:
    """The total variation of the derivative of sampled functions: sum of |second differences| / step."""
    return values.diff(n=2, dim=-2).abs().sum(-2) / step


# The bound of a latent's kinks


def bound(decoder: Conversion, latents: Latents) -> tuple[Float[Tensor, "v"], Float[Tensor, ""]]:
    """V of docs/theory.md, of the latent's own cell, |rel| <= 1: summed over both directions, the largest of the colours.

    Also the share of hidden neurons that may kink.
    """
    centre = latents.gain.new_zeros(len(latents.gain), 1, 2)
    y = decoder.input_at_hr(latents.code[:, None], centre, latents.cell[:, None])[:, 0]
    slope, curve = _of_input(decoder, latents)
    *hidden, last = decoder.render_weights
    may_kink = []
    for layer, W in enumerate(hidden):
        gain = latents.gain[:, layer]
        z = gain * (y @ W.T) + latents.offset[:, layer]
        A = gain.abs().unsqueeze(-1) * W.abs()
        slope, curve = (torch.einsum("voi,dvi->dvo", A, x) for x in (slope, curve))
        reach = slope.sum(0)  # how far z can move from its value at the centre, within |rel| <= 1
        is_dead, kinks = z < -reach, z.abs() <= reach
        curve = torch.where(kinks, curve + torch.maximum(slope, curve.minimum(2 * slope)), curve)
        slope, curve = (x.where(~is_dead, 0.0) for x in (slope, curve))
        may_kink.append(kinks.double().mean())
        y = z.relu()
    return (curve @ last.abs().T).sum(0).amax(-1), torch.stack(may_kink).mean()


def _of_input(decoder: Conversion, latents: Latents) -> tuple[Float[Tensor, "2 v i"], Float[Tensor, "2 v i"]]:
    """Bounds of |dy_0| and of the total variation of dy_0 across the cell, in both directions."""
    count = len(latents.gain)
    if isinstance(decoder, LinearFirst):  # y_0 = rel
        slope = torch.eye(2, dtype=torch.float64)[:, None].expand(2, count, 2)
        return slope, torch.zeros_like(slope)
    coef, freq = latents.code.chunk(2, dim=-1)  # y_0 = coef * [cos(pi f), sin(pi f)]
    speed = torch.pi * torch.stack([freq[:, 0::2], freq[:, 1::2]]).abs().repeat(1, 1, 2)
    return coef.abs() * speed, 2 * coef.abs() * speed.square()


def first_order(decoder: Conversion, latents: Latents) -> Float[Tensor, "v"]:
    """The bound without the triangle inequality, by the Jacobians at the centre: sum over the neurons that kink within the
    cell, by their slopes there, of |slope| times |derivative of the output by the neuron|. It is an estimate, no bound."""
    rel = latents.gain.new_zeros(len(latents.gain), 1, 2).requires_grad_()
    with torch.enable_grad():
        y = decoder.input_at_hr(latents.code[:, None], rel, latents.cell[:, None])
        *hidden, last = decoder.render_weights
        before, after = [], []
        for layer, W in enumerate(hidden):
            z = latents.gain[:, None, layer] * (y @ W.T) + latents.offset[:, None, layer]
            y = z.relu()
            before.append(z)
            after.append(y)
        rgb = y @ last.T
        by_neuron = [torch.autograd.grad(rgb[..., c].sum(), after, retain_graph=True) for c in range(3)]
        total = torch.zeros(len(rel), dtype=rel.dtype)
        for layer, z in enumerate(before):
            slopes = torch.stack([_gradient(z[..., k], rel) for k in range(z.shape[-1])], dim=1)  # (v, D, 2)
            kinks = z[:, 0].abs() <= slopes.abs().sum(-1)
            reach = torch.stack([one[layer][:, 0] for one in by_neuron]).abs().amax(0)
            total += (kinks * slopes.abs().sum(-1) * reach).sum(-1).detach()
    return total


def _gradient(of: Tensor, by: Float[Tensor, "v 1 2"]) -> Float[Tensor, "v 2"]:
    (found,) = torch.autograd.grad(of.sum(), by, retain_graph=True, allow_unused=True)
    return torch.zeros_like(by[:, 0]) if found is None else found[:, 0]


# Checks


class Checked(NamedTuple):
    """The findings of `check` in one picture; see `pieces.md`."""

    excess: Bool[Tensor, "i"]
    tightness: Float[Tensor, "i"]
    parts: Float[Tensor, "4"]
    kinks: Float[Tensor, "v"]
    kink_bound: Float[Tensor, "v"]
    may_kink: Float[Tensor, "2"]
    mse: Float[Tensor, "s"]


def check(decoder: Conversion, picture: Picture, random: torch.Generator) -> Checked:
    """Each step of the derivation, on some lines, blocks and latents of a picture."""
    h, w = picture.size
    excess, tightness, mse = interpolation(decoder, picture, random)
    # K, S and J of the lines through some blocks
    rows = torch.randint(h - 2, (LATENTS,), generator=random)
    columns = torch.randint(w - 1, (LATENTS,), generator=random)
    parts = decomposition(decoder, picture, rows, columns, torch.rand(LATENTS, generator=random).double())
    # the bound of the kinks of some latents
    index = torch.randint(h * w, (LATENTS,), generator=random)
    part = picture.latents.at(index)
    limit, may_kink = bound(decoder, part)
    unshifted = bound(decoder, picture.unshifted.at(index))[1]
    return Checked(excess, tightness, parts, own_kinks(decoder, part), limit, torch.stack([may_kink, unshifted]), mse)


def interpolation(
    decoder: Conversion, picture: Picture, random: torch.Generator
) -> tuple[Bool[Tensor, "i"], Float[Tensor, "i"], Float[Tensor, "s"]]:
    """Along lines: errors of interpolating samples 2 / s apart, beside h / 4 times the variation between the samples."""
    h, w = picture.size
    t = torch.linspace(-1 + 1 / h, 1 - 1 / h, (h - 1) * FINE + 1, dtype=torch.float64)  # between outermost latents
    excess, tightness, mse = [], [], torch.zeros(len(SCALES), dtype=torch.float64)
    for _ in range(LINES):
        column = (torch.rand(1, generator=random).double() * 2 - 1) * (1 - 1 / w)
        coords = torch.stack([t, column.expand_as(t)], dim=-1)[None]
        values = rendered(decoder, picture, coords)[0]
        for number, scale in enumerate(SCALES):
            each = FINE // scale
            parts = values[: (len(values) - 1) // each * each + 1].unfold(0, each + 1, each).transpose(1, 2)
            at = torch.linspace(0, 1, each + 1, dtype=torch.float64)[:, None]
            error = (parts - (parts[:, :1] * (1 - at) + parts[:, -1:] * at)).abs()
            limit = 2 / scale / 4 * variation(parts, 2 / FINE)
            highest = error.amax(1)
            seen = highest > 1e-9
            excess.append((highest > limit * (1 + 1e-6) + 1e-12)[seen])
            tightness.append((highest / limit)[seen])
            mse[number] += error.square().mean() / LINES
    return torch.cat(excess), torch.cat(tightness), mse


def rendered(decoder: Conversion, picture: Picture, coords: Float[Tensor, "1 q 2"]) -> Float[Tensor, "1 q 3"]:
    """The continuous picture, with the LR skip where the method has it."""
    values = decoder.query(picture.state, coords)
    return values + sample_bilinear(picture.lr, coords) if decoder.lr_skip else values


def decomposition(
    decoder: Conversion, picture: Picture, rows: Tensor, columns: Tensor, u: Float[Tensor, "v"]
) -> Float[Tensor, "4"]:
    """Down a line between two columns of latents, from one row of latents to the next, and across it: the variation of the
    rendering's slope, and what bounds it: kinks K, differences of slope S and the jump J. Means over lines and colours."""
    w = picture.size[1]
    rho = torch.linspace(0, 2, FINE + 1, dtype=torch.float64)
    step = 2 / FINE
    total = torch.zeros(4, dtype=torch.float64)

    def values(down: int, right: int, row_rel: Tensor) -> Patches:
        """The predictions of the latents `down` and `right` of the block's first, at rows `row_rel` from them."""
        index = (rows + down) * w + columns + right
        col_rel = (2 * u - 2 * right)[:, None].expand(-1, len(row_rel))
        rel = torch.stack([row_rel.expand(len(u), -1), col_rel], dim=-1)
        found = patch(decoder, picture.latents.at(index), rel)
        return found + picture.lr[0].flatten(1).T[index][:, None] if decoder.lr_skip else found

    weights = (1 - u)[:, None, None], u[:, None, None]  # of the columns
    upper, lower = ([values(down, right, rho - 2 * down) for right in (0, 1)] for down in (0, 1))
    fade = (rho / 2)[:, None]
    whole = sum(c * ((1 - fade) * a + fade * b) for c, a, b in zip(weights, upper, lower, strict=True))
    inner = fade[1:-1]
    kinks = (
        sum(
            c
            * (
                ((1 - inner) * a.diff(n=2, dim=1).abs()).sum(1, keepdim=True)
                + (inner * b.diff(n=2, dim=1).abs()).sum(1, keepdim=True)
            )
            for c, a, b in zip(weights, upper, lower, strict=True)
        )
        / step
    )
    slopes = sum(c * (b - a).diff(dim=1) for c, a, b in zip(weights, upper, lower, strict=True)).abs().sum(1)
    # the jump across the next row of latents, where three rows meet
    ends = [
        sum(
            c * values(down, right, torch.tensor([2.0 - 2 * down], dtype=torch.float64))
            for right, c in enumerate(weights)
        )
        for down in (0, 1, 2)
    ]
    jump = ((ends[0] - 2 * ends[1] + ends[2]) / 2).abs()[:, 0]
    total[0] = (variation(whole, step) + jump).mean()
    total[1], total[2], total[3] = kinks.mean(), slopes.mean(), jump.mean()
    return total


def own_kinks(decoder: Conversion, latents: Latents, lines: int = 5) -> Float[Tensor, "v"]:
    """The variation of the latents' own slopes across their cells: in each direction that of the worst of parallel lines,
    summed over the two; the largest of the colours."""
    t = torch.linspace(-1, 1, FINE + 1, dtype=torch.float64)
    total = torch.zeros(len(latents.gain), 3, dtype=torch.float64)
    for direction in (0, 1):
        found = []
        for other in torch.linspace(-1, 1, lines, dtype=torch.float64):
            rel = torch.stack([t, other.expand_as(t)], dim=-1)
            rel = rel.flip(-1) if direction else rel
            found.append(variation(patch(decoder, latents, rel.expand(len(latents.gain), -1, -1)), 2 / FINE))
        total += torch.stack(found).amax(0)
    return total.amax(-1)


def summary(checked: list[Checked]) -> list[str]:
    """A row of pieces.md."""
    joined = [
        torch.cat([getattr(one, key) for one in checked]) for key in ("excess", "tightness", "kinks", "kink_bound")
    ]
    excess, tightness, kinks, limit = joined
    parts = torch.stack([one.parts for one in checked]).mean(0)
    mse = torch.stack([one.mse for one in checked]).mean(0).log2()
    ratio = kinks / limit.clamp(min=1e-300)
    return [
        f"{int(excess.sum())} of {len(excess)}",
        f"{tightness.median():.2f}",
        f"{parts[0] / parts[1:].sum():.2f}",
        *(f"{part / parts[1:].sum():.2f}" for part in parts[1:]),
        f"{int((kinks > limit * (1 + 1e-9) + 1e-9).sum())} of {len(kinks)}",
        f"{ratio.median():.1e}",
        f"{ratio.max():.1e}",
        *(f"{100 * share:.0f}" for share in torch.stack([one.may_kink for one in checked]).mean(0)),
        f"{mse[0] - mse[1]:.2f}",
        f"{mse[1] - mse[2]:.2f}",
    ]


# Ranks


def predictors(model: Model, decoder: Conversion, picture: Picture, lr: Float[Tensor, "3 h w"]) -> dict[str, Tensor]:
    """The numbers that might tell a latent's error, and the error, at each latent of a picture."""
    h, w = picture.size
    errors = coarse_errors(model, lr, float(REDUCED), (COARSE,))
    per_latent = 16
    fine = model.encode(lr).render(per_latent * h, per_latent * w, clamp=False)[0]
    rows, cols = (fine.diff(n=2, dim=axis).abs() for axis in (1, 2))
    rows = torch.nn.functional.pad(rows, (0, 0, 1, 1))
    cols = torch.nn.functional.pad(cols, (1, 1))
    whole = torch.nn.functional.avg_pool2d((rows + cols).square().mean(0, keepdim=True)[None], per_latent)[0, 0].sqrt()
    window = Window.whole((h, w))
    limit, _ = bound(decoder, picture.latents)
    return {
        "error": (errors.squared[0] / errors.values).flatten(),
        "variation of the rendering's slope (K, S and J as they are)": whole.flatten(),
        "J and S: second differences of neighbours' predictions": disagreement(decoder, picture).flatten(),
        "K: the latent's own kinks, sampled": own_kinks(decoder, picture.latents, lines=3),
        "K: first-order estimate at the centre": first_order(decoder, picture.latents),
        "K: the bound V by modulations": limit,
        "mean abs shift of the first layer": Measure("first-layer")
        .intensity(picture.state, picture.lr, window)
        .flatten(),
        "mean abs shift (the paper's)": PAPER.intensity(picture.state, picture.lr, window).flatten(),
        "contrast": Measure("contrast").intensity(picture.state, picture.lr, window).flatten(),
    }


def disagreement(decoder: Conversion, picture: Picture) -> Float[Tensor, "h w"]:
    """The jumps of slope at each latent, in both directions; the largest of the colours. Border latents have those of their
    neighbours within."""
    h, w = picture.size

    def at(row: float, col: float) -> Float[Tensor, "3 h w"]:
        rel = torch.tensor([[[row, col]]], dtype=torch.float64).expand(h * w, 1, 2)
        found = patch(decoder, picture.latents, rel)[:, 0].T.unflatten(-1, (h, w))
        return found + picture.lr[0] if decoder.lr_skip else found

    centre = at(0, 0)
    down = (at(2, 0)[:, :-2] - 2 * centre[:, 1:-1] + at(-2, 0)[:, 2:]).abs() / 2
    across = (at(0, 2)[:, :, :-2] - 2 * centre[:, :, 1:-1] + at(0, -2)[:, :, 2:]).abs() / 2
    pad = torch.nn.functional.pad
    return (pad(down, (0, 0, 1, 1), mode="replicate") + pad(across, (1, 1, 0, 0), mode="replicate")).amax(0)


def rank_rows(label: str, ranked: list[dict[str, Tensor]]) -> list[list[str]]:
    """Spearman's correlation of each predictor with the error, over all latents; its 95 % interval over pictures."""
    random = np.random.default_rng(0)
    samples = [{key: values.detach().numpy() for key, values in picture.items()} for picture in ranked]
    resamples = [random.integers(len(samples), size=len(samples)) for _ in range(100)]

    def correlation(key: str, chosen: np.ndarray | range) -> float:
        x, y = (np.concatenate([samples[i][name] for i in chosen]) for name in (key, "error"))
        return float(spearmanr(x, y).statistic)

    rows = []
    for key in samples[0]:
        if key != "error":
            low, high = np.percentile([correlation(key, chosen) for chosen in resamples], [2.5, 97.5])
            rows.append([label, key, f"{correlation(key, range(len(samples))):.3f} [{low:.3f}, {high:.3f}]"])
    return rows


def write(path: Path, text: str) -> None:
    write_text(path, text)
    print(text)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
