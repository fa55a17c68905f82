"""The two axes of a regular grid, with everything about a pixel that follows from its row alone, or from its column alone.

Along an axis every pixel has its two latents, with their relative coordinates and ensemble weights, its nearest latent, and
its place between two pixels of the LR image. All of this is computed in float64, once per row and once per column. The
compiled kernels have a C copy (`kernels/grid.h`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lmf_sr.geometry import Corners, Grid, axis_corners, latent_count


class LerpAxis(NamedTuple):
    """The two LR pixels that a pixel is interpolated from, clamped at the border, and how much of the second it takes."""

    low: Int[Tensor, " N"]
    high: Int[Tensor, " N"]
    share: Float[Tensor, " N"]

    @classmethod
    def from_coordinates(cls, p: Float[Tensor, " N"], n: int) -> LerpAxis:
        """Pixels at coordinates `p` among `n` LR pixels."""
        count = latent_count(n, p)
        position = (((p + 1) * count - 1) / 2).clamp(min=0).clamp(max=count - 1)
        low = position.floor()
        return cls(low.long(), (low + 1).clamp(max=count - 1).long(), position - low)


@dataclass(frozen=True)
class Axis:
    """Pixels at coordinates `at` over `n` latents, which are also `n` LR pixels; latents are counted from `first`."""

    at: Float[Tensor, " N"]
    n: int
    first: int = 0

    @cached_property
    def corners(self) -> Corners:
        found = axis_corners(self.at, self.n)
        return found._replace(at=found.at - self.first)

    @cached_property
    def lr(self) -> LerpAxis:
        return LerpAxis.from_coordinates(self.at, self.n)

    @property
    def nearest(self) -> Int[Tensor, " N"]:
        """The latent nearest to each pixel; the later of two that are equally near."""
        return axis_corners(self.at, self.n, offset=0.0).at[:, 0] - self.first

    @property
    def span(self) -> tuple[int, int]:
        """The first latent that any pixel needs, and the one after the last."""
        return int(self.corners.at.min()), int(self.corners.at.max()) + 1

    def part(self, pixels: slice) -> Axis:
        """The axis of some of the pixels."""
        return replace(self, at=self.at[pixels])

    def shifted(self, first: int) -> Axis:
        """The axis with its latents counted from `first`; LR pixels keep their numbers."""
        return replace(self, first=self.first + first)


def nearest_latents(grid: Grid, lr_size: tuple[int, ...]) -> tuple[Int[Tensor, " H"], Int[Tensor, " W"]]:
    """The nearest row of latents for each row of pixels, and the nearest column for each column."""
    h, w = lr_size
    return Axis(grid.rows, h).nearest, Axis(grid.cols, w).nearest


class PixelMask(NamedTuple):
    """Chosen pixels of a grid, those whose nearest latent is chosen and, with `around`, the eight around each of these.

    With `around` they include every pixel that bilinear interpolation reads at a place nearest to a chosen latent.
    """

    latents: Bool[Tensor, "B h w"]
    grid: Grid
    around: bool = False

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The grid's rows and columns over the latents."""
        h, w = self.latents.shape[1:]
        return Axis(self.grid.rows, h), Axis(self.grid.cols, w)

    def latents_that_decide(self) -> tuple[Int[Tensor, "H k"], Int[Tensor, "W k"]]:
        """The rows of latents that decide, for each row of pixels, whether it is rendered; likewise for columns.

        A row is rendered if any of its latents is chosen. These are the nearest row of latents and, with `around`, the rows
        nearest to the pixels above and below.
        """
        rows, cols = (axis.nearest for axis in self.axes)
        if not self.around:
            return rows[:, None], cols[:, None]
        rows, cols = (torch.cat([at[:1], at, at[-1:]]).unfold(0, 3, 1) for at in (rows, cols))
        return rows, cols

    def pixels(self) -> Bool[Tensor, "B H W"]:
        """The mask: true for each pixel that is chosen."""
        # The program does not wait for the device here, because CMSR asks this for every level.
        rows, cols = (at.to(self.latents.device, non_blocking=True) for at in self.latents_that_decide())
        return self.latents[:, rows].any(2)[:, :, cols].any(3)

    def pixel_count(self) -> int:
        """The number of chosen pixels."""
        return int(self.pixels().sum())
