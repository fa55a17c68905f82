"""Rendering with a Scale2Mod table: each latent's pixels only as finely as its modulation intensity asks for.

For the levels s_0 < s_1 < ... of a target grid (`lmf/cmsr.py`), starting from the LR image:

    picture <- picture, upsampled bilinearly to floor(h s_i) x floor(w s_i) pixels
    picture <- rendered there, where the nearest latent is of level i, with the cell of that grid

and at last to the target grid. The modulations stay those of the target's cell. A level at the target scale is rendered on
the target grid itself.

A window of the picture needs a window of each level: that which bilinear interpolation to the next one reads, so that a
window costs in proportion to its pixels and equals the same window of the whole. Windows that reach over the border are
rendered in full, since out there is nothing to interpolate.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from lmf_sr.geometry import Grid, clip_cell
from lmf_sr.lmf.cmsr import Level, Scale2Mod, level_map
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering.axes import Chosen
from lmf_sr.rendering.choice import Renderer
from lmf_sr.rendering.upsampling import upsample


class LevelGrid(NamedTuple):
    """A level, and the part of its grid that is needed."""

    level: Level
    grid: Grid


def render_cmsr(
    decoder: Conversion,
    state: LMFState,
    lr: Float[Tensor, "B 3 h w"],
    grid: Grid,
    table: Scale2Mod,
    renderer: Renderer,
) -> Float[Tensor, "B 3 H W"]:
    """Renders a grid from a prepared state, as `render_direct` does, but with CMSR.

    Args:
        decoder: an LMF conversion.
        state: what `decoder.prepare` made for the grid's cell.
        lr: the normalised LR image.
        grid: the pixels to render.
        table: says which latents are rendered how finely.
        renderer: what renders the levels.

    Returns:
        Normalised, unclamped RGB.
    """
    plan = level_grids(table, grid, lr.shape[-2:])
    if plan[0].grid is grid:
        return renderer.render(decoder, state, lr, grid)
    levels = level_map(state.intensity, tuple(level for level, _ in plan))
    picture, over = lr, Grid.over(*lr.shape[-2:])
    for number, (_, window) in enumerate(plan):
        picture = upsample(picture, over, window)
        cell = clip_cell(lr.new_tensor(window.cell), lr.shape[-2:]).expand(lr.shape[0], 2)
        chosen = Chosen.of(levels == number, window)
        renderer.render_chosen(decoder, decoder.at_cell(state, cell), lr, window, chosen, picture)
        over = window
    return upsample(picture, over, grid)


def level_grids(table: Scale2Mod, grid: Grid, lr_size: tuple[int, ...]) -> list[LevelGrid]:
    """The levels of a target grid, each with what is needed of its grid; coarse to fine."""
    h, w = lr_size
    scale = math.sqrt(4 / (grid.cell[0] * grid.cell[1] * h * w))
    levels = table.levels(scale) if _within_picture(grid) else (Level(scale, math.inf),)
    plan: list[LevelGrid] = []
    finer = grid
    for level in reversed(levels):
        if level.scale < scale:
            finer = _read_by(finer, Grid.over(math.floor(h * level.scale), math.floor(w * level.scale)))
        plan.insert(0, LevelGrid(level, finer))
    return plan


def pixels_per_level(plan: list[LevelGrid], levels: Int[Tensor, "B h w"]) -> Iterator[int]:
    """How many pixels are rendered at each level, where `levels` is the latents' `level_map`."""
    for number, (_, grid) in enumerate(plan):
        yield Chosen.of(levels == number, grid).pixel_count()


def _within_picture(grid: Grid) -> bool:
    return all(axis[0] > -1 and axis[-1] < 1 for axis in (grid.rows, grid.cols))


def _read_by(target: Grid, whole: Grid) -> Grid:
    """The part of a whole grid that bilinear interpolation to `target` reads."""
    (top, bottom), (left, right) = (
        _span(at, len(of)) for at, of in ((target.rows, whole.rows), (target.cols, whole.cols))
    )
    return replace(whole, rows=whole.rows[top:bottom], cols=whole.cols[left:right])


def _span(at: Float[Tensor, " N"], n: int) -> tuple[int, int]:
    """First pixel, and the one after the last, of `n` on an axis, that interpolation at increasing coordinates reads."""
    first, last = (math.floor((float(p) + 1) * n / 2 - 0.5) for p in (at[0], at[-1]))
    return min(max(first, 0), n - 1), min(last + 2, n)
