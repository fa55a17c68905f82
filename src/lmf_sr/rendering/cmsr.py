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

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import cycle
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lmf_sr.geometry import Grid, clip_cell
from lmf_sr.lmf.cmsr import Level, Scale2Mod, level_map
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering.axes import Chosen
from lmf_sr.rendering.choice import Renderer
from lmf_sr.rendering.memory import Memory
from lmf_sr.rendering.tiling import Window
from lmf_sr.rendering.upsampling import upsample
from lmf_sr.rendering.values import NORMALISED, Values


class Plan(NamedTuple):
    """What it takes to render a grid: the levels, coarse to fine, and the part needed of each one's grid."""

    levels: tuple[Level, ...]
    grids: tuple[Grid, ...]
    target: Grid

    @classmethod
    def of(cls, table: Scale2Mod, target: Grid, lr_size: tuple[int, int]) -> Plan:
        """For a target grid within a picture of `lr_size`."""
        h, w = lr_size
        scale = math.sqrt(4 / (target.cell[0] * target.cell[1] * h * w))
        levels = table.levels(scale)
        grids = [target]
        for level in reversed(levels):
            is_target = level.scale == scale
            whole = Grid.over(math.floor(h * level.scale), math.floor(w * level.scale))
            grids.append(target if is_target else _read_by(grids[-1], whole))
        return cls(levels, tuple(reversed(grids[1:])), target)

    @property
    def is_full(self) -> bool:
        """Whether everything is rendered at the target scale."""
        return self.grids[0] is self.target

    def read(self, lr_size: tuple[int, int]) -> Window:
        """The latents read."""
        return reduce(Window.joined, (Window.read_by(grid, lr_size) for grid in self.grids))

    def framed(self, window: Window, lr_size: tuple[int, int]) -> Plan:
        """The same where the window is the whole picture."""
        target = window.frame(self.target, lr_size)
        grids = (target if grid is self.target else window.frame(grid, lr_size) for grid in self.grids)
        return Plan(self.levels, tuple(grids), target)

    def chosen(self, intensity: Float[Tensor, "B h w"]) -> tuple[Chosen, ...]:
        """The pixels rendered on each level's grid."""
        levels = level_map(intensity, self.levels)
        return tuple(Chosen(levels == number, grid) for number, grid in enumerate(self.grids))


def render_cmsr(
    decoder: Conversion,
    state: LMFState,
    lr: Float[Tensor, "B 3 h w"],
    plan: Plan,
    renderer: Renderer,
    memory: tuple[Memory, Memory],
    out: Float[Tensor, "B 3 H W"],
    values: Values,
) -> None:
    """Renders the target of a plan from a prepared state.

    Args:
        decoder: an LMF conversion.
        state: what `decoder.prepare` made for the target's cell.
        lr: the normalised LR image.
        plan: what to render how finely.
        renderer: what renders the levels.
        memory: for the pictures of two levels.
        out: where to.
        values: what to write.
    """
    if plan.is_full:
        out.copy_(values.of(renderer.render(decoder, state, lr, plan.target)))
        return
    picture, over = lr, Grid.over(*lr.shape[-2:])
    render_chosen = renderer.render_chosen(decoder, state, lr)
    cells = clip_cell(lr.new_tensor([grid.cell for grid in plan.grids]), lr.shape[-2:])
    all_chosen = plan.chosen(state.intensity)
    levels = zip(plan.grids, cells, all_chosen, interpolated(all_chosen), cycle(memory), strict=False)
    for grid, cell, chosen, between, free in levels:
        is_last = grid is plan.target
        finer, written = (out, values) if is_last else (free.tensor(len(lr), 3, *grid.size), NORMALISED)
        upsample(picture, over, grid, finer, between, written)
        render_chosen(cell.expand(len(lr), 2), chosen, finer, written)
        picture, over = finer, grid
    if picture is not out:
        upsample(picture, over, plan.target, out, values=values)


def interpolated(all_chosen: Sequence[Chosen]) -> list[Chosen]:
    """On each level's grid the pixels that must be interpolated: not rendered there, but read by something finer.

    A pixel reads neighbours whose nearest latent is its own or next to that, since grids are no coarser than the LR image.
    """
    read, found = torch.ones_like(all_chosen[-1].latents), []
    for chosen in reversed(all_chosen):
        found.append(chosen._replace(latents=read & ~chosen.latents))
        read = grown(found[-1].latents)
    return found[::-1]


def grown(latents: Bool[Tensor, "B h w"]) -> Bool[Tensor, "B h w"]:
    """Those latents, and the eight around each."""
    for axis in (1, 2):
        wide = latents.clone()
        wide.narrow(axis, 1, latents.shape[axis] - 1).logical_or_(latents.narrow(axis, 0, latents.shape[axis] - 1))
        wide.narrow(axis, 0, latents.shape[axis] - 1).logical_or_(latents.narrow(axis, 1, latents.shape[axis] - 1))
        latents = wide
    return latents


def within_picture(grid: Grid) -> bool:
    """Whether all pixels lie within the picture."""
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
