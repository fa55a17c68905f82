"""The blocked renderer: the fast path of the LMF conversions on regular grids, for CPUs. Equal to the direct path.

The direct path fetches four sets of modulations for every pixel. But on a grid the pixels between four latents form a
block, whose modulations are the same: here they are read where they lie and used for the block's pixels while they are in
cache. Two forms of it give the same pixels: `compiled.py`, where there is a C compiler, and `torch_blocks.py`.

Nor need there be a whole state: from features, compiled, the latents are made band by band as the pixels need them
(`latents.py`), so that a window costs in proportion to its pixels and only one band of latents is ever held.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders import Decoder
from lmf_sr.geometry import Grid
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.lmf.lm_liif import LMLIIF
from lmf_sr.lmf.lm_lte import LMLTE
from lmf_sr.rendering import compiled, latents, torch_blocks
from lmf_sr.rendering.axes import Axis, Chosen
from lmf_sr.rendering.library import why_not_compiled

LATENTS_PER_BAND = 10_000  # some 8 MB


def supports(decoder: Decoder, device: torch.device) -> bool:
    """Whether `render_blocked` can render this decoder's states."""
    return isinstance(decoder, Conversion) and device.type == "cpu"


def supports_features(decoder: Decoder, features: Float[Tensor, "B C h w"]) -> bool:
    """Whether `render_features` can render with this decoder."""
    return latents.supports(decoder, features) and is_compiled(decoder, features.dtype)


def is_compiled(decoder: Decoder, dtype: torch.dtype) -> bool:
    """Which of the two forms renders this decoder."""
    return compiled.supports(decoder, dtype) and why_not_compiled() is None


def render_blocked(
    decoder: Conversion, state: LMFState, lr: Float[Tensor, "B 3 h w"], grid: Grid
) -> Float[Tensor, "B 3 H W"]:
    """Renders a grid from a prepared state: what `render_direct` computes."""
    out = lr.new_empty(lr.shape[0], 3, *grid.size)
    render_chosen(decoder, state, lr, grid, None, out)
    return out


def render_chosen(
    decoder: Conversion,
    state: LMFState,
    lr: Float[Tensor, "B 3 h w"],
    grid: Grid,
    chosen: Chosen | None,
    out: Float[Tensor, "B 3 H W"],
) -> None:
    """Renders those pixels of the grid into `out` that are chosen, or all."""
    h, w = lr.shape[-2:]
    rows, cols = Axis.of(grid.rows, h), Axis.of(grid.cols, w)
    form = compiled if is_compiled(decoder, lr.dtype) else torch_blocks
    form.Rendering(decoder, state.cell, lr, cols).lines(state.rows, rows, out, chosen)


def render_features(
    decoder: LMLIIF | LMLTE,
    features: Float[Tensor, "B C h w"],
    cell: Float[Tensor, "B 2"],
    lr: Float[Tensor, "B 3 h w"],
    grid: Grid,
) -> Float[Tensor, "B 3 H W"]:
    """Renders a grid from features, for decoders that `supports_features`: `prepare` and `render_blocked` in one.

    Args:
        cell: the relative cell.
    """
    B, _, h, w = features.shape
    rows, cols = Axis.of(grid.rows, h), Axis.of(grid.cols, w)
    left, right = cols.span
    cols = cols.shifted(left)
    rendering = compiled.Rendering(decoder, cell, lr, cols)
    source = latents.Latents(decoder, features, cell, left, right)
    out = lr.new_empty(B, 3, *grid.size)
    for pixels in bands(rows, max(LATENTS_PER_BAND // (B * (right - left)) // 2 * 2, 2)):  # lines are made in pairs
        band = rows.part(pixels)
        top, bottom = band.span
        rendering.lines(source.lines(top, bottom), band.shifted(top), out[:, :, pixels])
    return out


def bands(rows: Axis, lines: int) -> Iterator[slice]:
    """The rows of pixels in bands which each need at most one more than `lines` lines of latents."""
    start = 0
    for count in torch.unique_consecutive(rows.corners.at[:, 1] // lines, return_counts=True)[1].tolist():
        yield slice(start, start + count)
        start += count
