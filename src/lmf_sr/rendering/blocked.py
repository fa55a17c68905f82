"""The blocked renderer: the fast path of the LMF conversions on regular grids, for CPUs. Equal to the direct path.

The direct path fetches four sets of modulations for every pixel. But on a grid the pixels between four latents form a
block, whose modulations are the same: here they are read where they lie and used for the block's pixels while they are in
cache. Two forms of it give the same pixels: `compiled.py`, where there is a C compiler, and `torch_blocks.py`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.geometry import Grid
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering import compiled, torch_blocks
from lmf_sr.rendering.axes import Axis, Chosen


def supports(decoder: object, device: torch.device) -> bool:
    return isinstance(decoder, Conversion) and device.type == "cpu"


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
    render_lines = compiled.render_lines if is_compiled(decoder, lr.dtype) else torch_blocks.render_lines
    render_lines(decoder, state.rows, state.cell, lr, rows, cols, out, chosen)


def is_compiled(decoder: Conversion, dtype: torch.dtype) -> bool:
    """Which of the two forms renders this decoder."""
    return compiled.supports(decoder, dtype) and why_not_compiled() is None


def why_not_compiled() -> str | None:
    try:
        compiled.library()
    except compiled.Unavailable as reason:
        return str(reason)
    return None
