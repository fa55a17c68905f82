"""One training sample, as LIIF and its successors draw it (Chen et al., CVPR 2021).

With s uniform in [s_min, s_max] and p the side of the LR patch:

    HR patch    a random crop of side n = round(p s), flipped and transposed at random
    LR patch    its bicubic reduction to p x p (Pillow)
    queries     Q of its n^2 pixels, none twice: coordinates in the patch, cell 2/n, RGB

All that is random comes from the generator given, so that a sample is a function of its seed.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.geometry import pixel_centers
from lmf_sr.images import normalise, resize_pillow


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
        n = round(self.patch * rng.uniform(self.min_scale, self.max_scale))
        top, left = (int(rng.integers(side - n + 1)) for side in image.shape[1:])
        hr = _turned(image[:, top : top + n, left : left + n], *rng.integers(2, size=3)).contiguous()
        pixels = torch.from_numpy(rng.choice(n * n, self.queries, replace=False, shuffle=False))
        centers = pixel_centers(n).float()
        return Sample(
            lr=_normalised(resize_pillow(hr, self.patch, self.patch)),
            coords=torch.stack([centers[pixels // n], centers[pixels % n]], dim=-1),
            cell=torch.full((1, 2), 2 / n),
            rgb=_normalised(hr.flatten(1)[:, pixels].T),
        )


def _turned(
    image: UInt8[Tensor, "3 n n"], upside_down: np.int64, mirrored: np.int64, transposed: np.int64
) -> UInt8[Tensor, "3 n n"]:
    image = image.flip([axis for axis, flip in ((1, upside_down), (2, mirrored)) if flip])
    return image.mT if transposed else image


def _normalised(pixels: UInt8[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    return normalise(pixels.float() / 255)
