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
from lmf_sr.geometry import Grid, relative_cell
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.lmf.lm_liif import LMLIIF
from lmf_sr.lmf.lm_lte import LMLTE
from lmf_sr.rendering import compiled, latents, torch_blocks
from lmf_sr.rendering.axes import Axis, Chosen
from lmf_sr.rendering.direct import RenderChosen
from lmf_sr.rendering.memory import Memory
from lmf_sr.rendering.tiling import Size, Window
from lmf_sr.rendering.values import NORMALISED, Values

LATENTS_PER_BAND = 10_000  # some 8 MB
PIXELS_PER_BAND = 2**19  # 6 MB


def supports(decoder: Decoder, device: torch.device) -> bool:
    """Whether `render_blocked` can render this decoder's states."""
    return isinstance(decoder, Conversion) and decoder.ensemble and device.type == "cpu"


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
    h, w = lr.shape[-2:]
    rows, cols = Axis(grid.rows, h), Axis(grid.cols, w)
    out = lr.new_empty(lr.shape[0], 3, *grid.size)
    form = compiled if is_compiled(decoder, lr.dtype) else torch_blocks
    form.Rendering(decoder, lr).render(state.rows, state.cell, rows, cols, out)
    return out


def render_chosen(decoder: Conversion, state: LMFState, lr: Float[Tensor, "B 3 h w"]) -> RenderChosen:
    """As `direct.render_chosen`."""
    if is_compiled(decoder, lr.dtype):
        fast = compiled.Rendering(decoder, lr)

        def render(cell: Tensor, chosen: Chosen, out: Tensor, values: Values) -> None:
            cell = relative_cell(cell, lr.shape[-2:])
            fast.render(state.rows, cell, *chosen.axes, out, chosen, decoder.shift_to(state, cell), values)
    else:
        plain = torch_blocks.Rendering(decoder, lr)

        def render(cell: Tensor, chosen: Chosen, out: Tensor, values: Values) -> None:
            of_cell = decoder.at_cell(state, cell)
            plain.render(of_cell.rows, of_cell.cell, *chosen.axes, out, chosen, values)

    return render


def prepare(
    decoder: LMLIIF | LMLTE,
    features: Float[Tensor, "B C n m"],
    cell: Float[Tensor, "B 1 2"],
    lr_size: Size,
    memory: Memory,
) -> LMFState:
    """`Decoder.prepare_window`, compiled, for decoders that `supports_features`; the state lies in `memory`."""
    relative = relative_cell(cell[:, 0], lr_size)
    return latents.Latents(decoder, features, relative, 0, features.shape[-1]).state(relative, memory)


def render_features(
    decoder: LMLIIF | LMLTE,
    features: Float[Tensor, "B C n m"],
    held: Window,
    cell: Float[Tensor, "B 2"],
    lr: Float[Tensor, "B 3 h w"],
    grid: Grid,
    out: Float[Tensor, "B 3 H W"] | None = None,
    values: Values = NORMALISED,
) -> Iterator[tuple[slice, Float[Tensor, "B 3 rows W"]]]:
    """Renders a grid from features, for decoders that `supports_features`: `prepare` and `render_blocked` in one.

    Args:
        features: those of the window `held` of the picture, which the pixels lie in.
        cell: the relative cell.
        lr: the whole LR picture.
        out: where to, if the pixels are to lie together.
        values: what to write.

    Yields:
        Bands of the grid's rows, with their pixels.
    """
    B, _, h, w = lr.shape
    rows, cols = Axis(grid.rows, h), Axis(grid.cols, w)
    left, right = cols.span
    rendering = compiled.Rendering(decoder, lr)
    source = latents.Latents(decoder, features, cell, left - held.left, right - held.left)
    lines = max(LATENTS_PER_BAND // (B * (right - left)) // 2 * 2, 2)  # an even number, since they are made in pairs
    for band in bands(rows, lines, max(PIXELS_PER_BAND // (B * len(grid.cols)), 1)):
        axis = rows.part(band)
        top, bottom = axis.span
        rgb = lr.new_empty(B, 3, band.stop - band.start, len(grid.cols)) if out is None else out[:, :, band]
        lines_of_latents = source.lines(top - held.top, bottom - held.top)
        rendering.render(lines_of_latents, cell, axis.shifted(top), cols.shifted(left), rgb, values=values)
        yield band, rgb


def bands(rows: Axis, lines: int, most: int) -> Iterator[slice]:
    """Up to `most` rows of pixels at a time, which together need at most one more than `lines` lines of latents."""
    start = 0
    for count in torch.unique_consecutive(rows.corners.at[:, 1] // lines, return_counts=True)[1].tolist():
        for first in range(start, start + count, most):
            yield slice(first, min(first + most, start + count))
        start += count
