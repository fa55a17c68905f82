"""What the row of a pixel alone says about it, and its column alone: the two axes of a regular grid.

Along an axis every pixel has its two latents, with their relative coordinates and ensemble weights, and its place between
two pixels of the LR image. All of it is computed in float64, once per row and once per column.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from lmf_sr.geometry import Corners, axis_corners


class Between(NamedTuple):
    """The two LR pixels that a pixel is interpolated from, clamped at the border, and how much of the second it takes."""

    low: Int[Tensor, " N"]
    high: Int[Tensor, " N"]
    share: Float[Tensor, " N"]


class Axis(NamedTuple):
    corners: Corners
    lr: Between

    @classmethod
    def of(cls, p: Float[Tensor, " N"], n: int) -> Axis:
        """Pixels at coordinates `p` over `n` latents, which are also `n` LR pixels."""
        position = (((p + 1) * n - 1) / 2).clamp(0, n - 1)
        low = position.floor()
        return cls(axis_corners(p, n), Between(low.long(), (low + 1).clamp(max=n - 1).long(), position - low))

    def __getitem__(self, pixels: slice) -> Axis:  # type: ignore[override]
        return Axis(Corners(*(x[pixels] for x in self.corners)), Between(*(x[pixels] for x in self.lr)))

    @property
    def span(self) -> tuple[int, int]:
        """The first latent that any pixel needs, and the one after the last."""
        return int(self.corners.at.min()), int(self.corners.at.max()) + 1

    def shifted(self, first: int) -> Axis:
        """The same axis where the latents are counted from `first`; LR pixels keep their numbers."""
        return self._replace(corners=self.corners._replace(at=self.corners.at - first))
