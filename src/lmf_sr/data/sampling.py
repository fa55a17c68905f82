"""One training sample, as LIIF and its successors draw it (Chen et al., CVPR 2021).

With s uniform in [s_min, s_max] and p the side of the LR patch:

    HR patch    a random crop of side n = round(p s), flipped and transposed at random
    LR patch    its bicubic reduction to p x p (Pillow)
    queries     Q of its n^2 pixels, none twice: coordinates in the patch, cell 2/n, RGB

A picture of single pixels (a screenshot, a dither) is the reduction of nothing, so it has to be shown as it is. Then the LR
patch is a crop of side p, and the HR patch is one that reduces to it: between blocks and a bicubic surface, corrected by
what its own reduction lacks (`enlarged`).

All that is random comes from the generator given, so that a sample is a function of its seed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.geometry import pixel_centers
from lmf_sr.images import normalise, resize_pillow

BACK_PROJECTIONS = 4  # steps: they leave a few grey levels, where the values are not clipped


class Sample(NamedTuple):
    """What a model is trained on; collated, each field gains a batch axis. Images are normalised to [-1, 1]."""

    lr: Float[Tensor, "*B 3 p p"]
    coords: Float[Tensor, "*B Q 2"]
    cell: Float[Tensor, "*B 1 2"]
    rgb: Float[Tensor, "*B Q 3"]


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn. The defaults are LIIF's and LTE's; CiaoSR takes patches of 64 and 4096 queries."""

    patch: int = 48
    queries: int = 2304
    min_scale: float = 1.0
    max_scale: float = 4.0

    def __post_init__(self) -> None:
        """Raises InputError if no sample can be drawn so."""
        if not 1 <= self.min_scale <= self.max_scale < math.inf:
            raise InputError(
                f"training scales from {self.min_scale:g} to {self.max_scale:g} make no sense: "
                "they start at 1 or more and do not go down"
            )
        most = round(self.patch * self.min_scale) ** 2
        if not 1 <= self.queries <= most:
            raise InputError(
                f"{self.queries} queries cannot be drawn from a patch of {self.patch} pixels at scale "
                f"{self.min_scale:g}, which has {most}: ask for 1 to {most}"
            )

    @property
    def largest_side(self) -> int:
        """Side of the largest HR patch."""
        return round(self.patch * self.max_scale)

    def draw(self, image: UInt8[Tensor, "3 H W"], rng: np.random.Generator) -> Sample:
        """A sample of an image whose sides are at least `largest_side`."""
        n = self._side(rng)
        hr = _crop(image, n, rng)
        lr = _normalised(resize_pillow(hr, self.patch, self.patch))
        return self._sample(lr, n, lambda pixels: _normalised(hr.flatten(1)[:, pixels]), rng)

    def draw_enlarged(self, image: UInt8[Tensor, "3 H W"], rng: np.random.Generator) -> Sample:
        """A sample whose LR patch is a crop of the image as it is; its sides are at least `patch`."""
        n = self._side(rng)
        lr = _normalised(_crop(image, self.patch, rng))
        return self._sample(lr, n, lambda pixels: enlarged(lr, n).flatten(1)[:, pixels], rng)

    def _side(self, rng: np.random.Generator) -> int:
        """The side n of an HR patch."""
        return round(self.patch * rng.uniform(self.min_scale, self.max_scale))

    def _sample(
        self,
        lr: Float[Tensor, "3 p p"],
        n: int,
        hr_pixels: Callable[[Int[Tensor, " Q"]], Float[Tensor, "3 Q"]],
        rng: np.random.Generator,
    ) -> Sample:
        pixels = torch.from_numpy(rng.choice(n * n, self.queries, replace=False, shuffle=False))
        centers = pixel_centers(n).float()
        coords = torch.stack([centers[pixels // n], centers[pixels % n]], dim=-1)
        return Sample(lr, coords, torch.full((1, 2), 2 / n), hr_pixels(pixels).T)


def enlarged(lr: Float[Tensor, "3 p p"], n: int) -> Float[Tensor, "3 n n"]:
    """A picture of n x n pixels in [-1, 1] whose bicubic reduction is nearly `lr`: iterative back-projection (Irani & Peleg,
    1991), from the mean of the nearest pixel and the bicubic surface."""

    def resize(x: Tensor, side: int) -> Tensor:
        return F.interpolate(x, (side, side), mode="bicubic", antialias=True)

    x = lr[None]
    hr = (F.interpolate(x, (n, n), mode="nearest-exact") + resize(x, n)) / 2
    for _ in range(BACK_PROJECTIONS):
        hr = (hr + resize(x - resize(hr, x.shape[-1]), n)).clamp(-1, 1)
    return hr[0]


def _crop(image: UInt8[Tensor, "3 H W"], side: int, rng: np.random.Generator) -> UInt8[Tensor, "3 n n"]:
    """A random square of the image, flipped and transposed at random."""
    top, left = (int(rng.integers(length - side + 1)) for length in image.shape[1:])
    return _turned(image[:, top : top + side, left : left + side], *rng.integers(2, size=3)).contiguous()


def _turned(
    image: UInt8[Tensor, "3 n n"], upside_down: np.int64, mirrored: np.int64, transposed: np.int64
) -> UInt8[Tensor, "3 n n"]:
    image = image.flip([axis for axis, flip in ((1, upside_down), (2, mirrored)) if flip])
    return image.mT if transposed else image


def _normalised(pixels: UInt8[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    return normalise(pixels.float() / 255)
