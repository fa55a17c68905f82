"""What the row of a pixel alone says about it, and its column alone: the two axes of a regular grid.

Along an axis every pixel has its two latents, with their relative coordinates and ensemble weights, and its place between
two pixels of the LR image. All of it is computed in float64, once per row and once per column.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lmf_sr.geometry import Corners, Grid, axis_corners


class Between(NamedTuple):
    """The two LR pixels that a pixel is interpolated from, clamped at the border, and how much of the second it takes."""

    low: Int[Tensor, " N"]
    high: Int[Tensor, " N"]
    share: Float[Tensor, " N"]

    @classmethod
    def of(cls, p: Float[Tensor, " N"], n: int) -> Between:
        """Pixels at coordinates `p` among `n` LR pixels."""
        position = (((p + 1) * n - 1) / 2).clamp(0, n - 1)
        low = position.floor()
        return cls(low.long(), (low + 1).clamp(max=n - 1).long(), position - low)


class Axis(NamedTuple):
    corners: Corners
    lr: Between

    @classmethod
    def of(cls, p: Float[Tensor, " N"], n: int) -> Axis:
        """Pixels at coordinates `p` over `n` latents, which are also `n` LR pixels."""
        return cls(axis_corners(p, n), Between.of(p, n))

    def part(self, pixels: slice) -> Axis:
        """Some of the pixels."""
        return Axis(Corners(*(x[pixels] for x in self.corners)), Between(*(x[pixels] for x in self.lr)))

    @property
    def span(self) -> tuple[int, int]:
        """The first latent that any pixel needs, and the one after the last."""
        return int(self.corners.at.min()), int(self.corners.at.max()) + 1

    def shifted(self, first: int) -> Axis:
        """The same axis where the latents are counted from `first`; LR pixels keep their numbers."""
        return self._replace(corners=self.corners._replace(at=self.corners.at - first))


def nearest_latents(grid: Grid, lr_size: tuple[int, ...]) -> tuple[Int[Tensor, " H"], Int[Tensor, " W"]]:
    """The row of latents nearest to each row of pixels, and the column to each column; of two as near the later."""
    h, w = lr_size
    rows, cols = (axis_corners(p, n, offset=0.0).at[:, 0] for p, n in ((grid.rows, h), (grid.cols, w)))
    return rows.contiguous(), cols.contiguous()


class Chosen(NamedTuple):
    """Some of a grid's pixels: those whose nearest latent is chosen."""

    latents: Bool[Tensor, "B h w"]
    rows: Int[Tensor, " H"]  # the row of latents nearest to each row of pixels
    cols: Int[Tensor, " W"]

    @classmethod
    def of(cls, latents: Bool[Tensor, "B h w"], grid: Grid) -> Chosen:
        rows, cols = nearest_latents(grid, latents.shape[1:])
        return cls(latents, rows.to(latents.device), cols.to(latents.device))

    def pixel_count(self) -> int:
        """How many pixels."""
        h, w = self.latents.shape[1:]
        return int((self.rows.bincount(minlength=h)[:, None] * self.cols.bincount(minlength=w) * self.latents).sum())

    def stretches(self) -> Stretches:
        """The same pixels in stretches of neighbours on a row."""
        w = self.latents.shape[2]
        top, bottom = int(self.rows.min()), int(self.rows.max()) + 1
        steps = F.pad(self.latents[:, top:bottom].flatten(0, 1).to(torch.int8), (1, 1)).diff(dim=-1)
        (line, begin), (_, end) = (steps == 1).nonzero().T, (steps == -1).nonzero().T
        first_pixel = torch.searchsorted(self.cols, torch.arange(w + 1, device=self.cols.device))
        first = F.pad(line.bincount(minlength=len(steps)).cumsum(0), (1, 0))
        return Stretches(self.rows - top, bottom - top, first, first_pixel[begin], first_pixel[end])


class Stretches(NamedTuple):
    """Pixels to render, as stretches of neighbours: along a row on line l of image b, those numbered
    `first[b * lines + l]` up to `first[b * lines + l + 1]`, each from `begin` up to `end`."""

    line: Int[Tensor, " H"]  # that each row is on
    lines: int  # of each image; 0 if all share one
    first: Int[Tensor, " l"]
    begin: Int[Tensor, " s"]
    end: Int[Tensor, " s"]

    @classmethod
    def of(cls, chosen: Chosen | None, size: tuple[int, ...]) -> Stretches:
        """The pixels chosen, of a grid of so many rows and columns; all of them, of every image, where none are."""
        if chosen is not None:
            return chosen.stretches()
        height, width = size
        zero = torch.zeros(height, dtype=torch.long)
        return cls(zero, 0, torch.tensor([0, 1]), torch.tensor([0]), torch.tensor([width]))
