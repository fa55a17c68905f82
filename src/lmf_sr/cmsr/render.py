"""Rendering with a Scale2Mod table: each latent's pixels only as finely as its modulation intensity asks for.

For the levels s_0 < s_1 < ... of a target grid (`cmsr/table.py`) there are two ways. *Chained*, as in the paper, they build
on one another, starting from the LR image:

    picture <- picture, upsampled bilinearly to floor(h s_i) x floor(w s_i) pixels
    picture <- rendered there, where the nearest latent is of level i, with the cell of that grid

and at last to the target grid. Beside a place of a finer level, interpolation then reads pixels that are rendered as finely
as they ask for only later. Else each level stands *by itself*:

    picture_i <- rendered on floor(h s_i) x floor(w s_i) pixels, where the target's pixels of level i read them
    picture   <- picture_i, upsampled bilinearly, where the nearest latent is of level i

which is exactly what calibration measures. Either way the modulations stay those of the target's cell, and a level at the
target scale is rendered on the target grid itself.

A window of the picture needs a window of each level: that which bilinear interpolation (to the next level, or to the target)
reads, so that a window costs in proportion to its pixels and equals the same window of the whole. Windows that reach over
the border are rendered in full, since out there is nothing to interpolate.
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

from lmf_sr.cmsr.table import Level, Scale2Mod, level_map
from lmf_sr.geometry import Grid, clip_cell
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering.axes import Chosen
from lmf_sr.rendering.choice import Renderer
from lmf_sr.rendering.direct import RenderChosen
from lmf_sr.rendering.memory import Memory
from lmf_sr.rendering.tiling import Window
from lmf_sr.rendering.upsampling import upsample
from lmf_sr.rendering.values import NORMALISED, Values


class Plan(NamedTuple):
    """What it takes to render a grid: the levels, coarse to fine, and the part needed of each one's grid."""

    levels: tuple[Level, ...]
    grids: tuple[Grid, ...]
    target: Grid
    chained: bool

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
            grids.append(target if is_target else _read_by(grids[-1] if table.chained else target, whole))
        return cls(levels, tuple(reversed(grids[1:])), target, table.chained)

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
        return Plan(self.levels, tuple(grids), target, self.chained)

    def chosen(self, intensity: Float[Tensor, "B h w"]) -> tuple[Chosen, ...]:
        """The pixels rendered on each level's grid."""
        levels = level_map(intensity, self.levels)
        return tuple(
            Chosen(levels == number, grid, around=not self.chained and grid is not self.target)
            for number, grid in enumerate(self.grids)
        )


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
    render = renderer.render_chosen(decoder, state, lr)
    cells = clip_cell(lr.new_tensor([grid.cell for grid in plan.grids]), lr.shape[-2:])[:, None].expand(-1, len(lr), 2)
    all_chosen = plan.chosen(state.intensity)
    if plan.chained:
        _chained(render, all_chosen, cells, lr, plan.target, memory, out, values)
    else:
        _by_themselves(render, all_chosen, cells, plan.target, memory[0], out, values)


def _chained(
    render: RenderChosen,
    all_chosen: Sequence[Chosen],
    cells: Float[Tensor, "levels B 2"],
    lr: Float[Tensor, "B 3 h w"],
    target: Grid,
    memory: tuple[Memory, Memory],
    out: Float[Tensor, "B 3 H W"],
    values: Values,
) -> None:
    picture, over = lr, Grid.over(*lr.shape[-2:])
    for chosen, cell, between, free in zip(all_chosen, cells, interpolated(all_chosen), cycle(memory), strict=False):
        is_last = chosen.grid is target
        finer, written = (out, values) if is_last else (free.tensor(len(lr), 3, *chosen.grid.size), NORMALISED)
        upsample(picture, over, chosen.grid, finer, between, written)
        render(cell, chosen, finer, written)
        picture, over = finer, chosen.grid
    if picture is not out:
        upsample(picture, over, target, out, values=values)


def _by_themselves(
    render: RenderChosen,
    all_chosen: Sequence[Chosen],
    cells: Float[Tensor, "levels B 2"],
    target: Grid,
    memory: Memory,
    out: Float[Tensor, "B 3 H W"],
    values: Values,
) -> None:
    for chosen, cell in zip(all_chosen, cells, strict=True):
        if not chosen.latents.any():
            continue
        if chosen.grid is target:
            render(cell, chosen, out, values)
        else:
            picture = memory.tensor(len(out), 3, *chosen.grid.size)
            render(cell, chosen, picture, NORMALISED)
            upsample(picture, chosen.grid, target, out, Chosen(chosen.latents, target), values)


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
