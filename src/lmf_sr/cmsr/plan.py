"""The plan by which CMSR renders a grid: levels, coarse to fine, each with the grid and the pixels that it needs.

Level i at decode scale s_i has a grid of floor(h s_i) x floor(w s_i) pixels over the whole picture; a level at the target
scale has the target grid itself. There are two ways to make the target of them (`render.py`):

    by themselves   each level is rendered where the target's pixels of that level read it, and upsampled to them
    chained         each level builds on the coarser ones, as in the paper

A window of the picture needs a window of each level: the part that bilinear interpolation reads, to the target or, if
chained, to the next level. So a window costs in proportion to its pixels and equals the same window of the whole.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lmf_sr.geometry import Grid, Size, numbers_like
from lmf_sr.rendering.pixel_axes import PixelMask
from lmf_sr.rendering.tiling import Window


class Level(NamedTuple):
    """A decode scale and the largest intensity that is rendered at it, which is infinite if there is no limit."""

    scale: float
    up_to: float


class Plan(NamedTuple):
    """The levels of a target grid, coarse to fine, and the part of each one's grid that is needed."""

    levels: tuple[Level, ...]
    grids: tuple[Grid, ...]
    target: Grid
    chained: bool

    @classmethod
    def from_levels(cls, levels: tuple[Level, ...], chained: bool, target: Grid, lr_size: Size) -> Plan:
        """The plan for a target grid within a picture of `lr_size`."""
        h, w = lr_size
        scale = scale_of(target, lr_size)
        grids = [target]
        for level in reversed(levels):
            if level.scale == scale:
                grids.append(target)
            else:
                whole = Grid.over(math.floor(h * level.scale), math.floor(w * level.scale))
                grids.append(_part_read(whole, grids[-1] if chained else target))
        return cls(levels, tuple(reversed(grids[1:])), target, chained)

    @property
    def is_full(self) -> bool:
        """True if everything is rendered at the target scale."""
        return self.grids[0] is self.target

    def reads(self, lr_size: Size) -> Window:
        """The latents that all levels, and the target, read."""
        return reduce(Window.joined, (Window.read_by(grid, lr_size) for grid in (*self.grids, self.target)))

    def framed(self, window: Window, lr_size: Size) -> Plan:
        """The plan in the frame in which the window is the whole picture."""
        target = window.frame(self.target, lr_size)
        grids = (target if grid is self.target else window.frame(grid, lr_size) for grid in self.grids)
        return Plan(self.levels, tuple(grids), target, self.chained)

    def chosen(self, intensity: Float[Tensor, "B h w"]) -> tuple[PixelMask, ...]:
        """The pixels rendered on each level's grid, for the intensity of each latent."""
        levels = level_map(intensity, self.levels)
        return tuple(
            PixelMask(levels == number, grid, around=not self.chained and grid is not self.target)
            for number, grid in enumerate(self.grids)
        )


def scale_of(target: Grid, lr_size: Size) -> float:
    """The scale of a grid of pixels, sqrt(HW / hw), from the size of a pixel."""
    h, w = lr_size
    return math.sqrt(4 / (target.cell[0] * target.cell[1] * h * w))


def level_map(intensity: Float[Tensor, "B h w"], levels: tuple[Level, ...]) -> Int[Tensor, "B h w"]:
    """The number of the level at which each latent is rendered. At a limit itself the finer level is taken."""
    limits = numbers_like([level.up_to for level in levels[:-1]], intensity)
    return torch.bucketize(intensity.contiguous(), limits, right=True)


def within_picture(grid: Grid) -> bool:
    """True if all pixels lie within the picture."""
    return all(axis[0] > -1 and axis[-1] < 1 for axis in (grid.rows, grid.cols))


def _part_read(whole: Grid, target: Grid) -> Grid:
    """The part of a whole grid that bilinear interpolation to `target` reads."""
    (top, bottom), (left, right) = (
        _span(at, len(axis)) for at, axis in ((target.rows, whole.rows), (target.cols, whole.cols))
    )
    return replace(whole, rows=whole.rows[top:bottom], cols=whole.cols[left:right])


def _span(at: Float[Tensor, " N"], n: int) -> tuple[int, int]:
    """The first pixel of `n` on an axis that interpolation at increasing coordinates reads, and the one after the last."""
    first, last = (math.floor((float(p) + 1) * n / 2 - 0.5) for p in (at[0], at[-1]))
    return min(max(first, 0), n - 1), min(last + 2, n)
