"""Training samples, as LIIF and its successors draw them (Chen et al., CVPR 2021).

With s uniform in [s_min, s_max] and p the side of the LR patch:

    HR patch    a random crop of side n = round(p s), flipped and transposed at random
    LR patch    its bicubic reduction to p x p (Pillow)
    queries     Q of its n^2 pixels, none twice: coordinates in the patch, cell 2/n, RGB

A picture of single pixels (a screenshot, a dither) is the reduction of nothing, so it has to be shown as it is. Then the
LR patch is a crop of side p, and the HR patch is a picture that reduces to it and has its tones: the mean of blocks and a
bicubic surface, corrected by the error of its own reduction (`enlarged`).

Everything random comes from the generator given, so that a sample is a function of its seed. It is drawn first, as a few
integers (`Cut`). From these a sample is made without a generator, on any device (`device_samples.py`).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped, UInt8
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.geometry import pixel_centers
from lmf_sr.images import resize_pillow
from lmf_sr.normalisation import from_levels, normalise

BACK_PROJECTIONS = 4  # steps, which leave an error of a few grey levels where values are not clipped
TONE = 5  # LR pixels, the side of the square whose average is a tone


class Sample(NamedTuple):
    """A training sample. Collated, each field gains a batch axis. Images are normalised to [-1, 1]."""

    lr: Float[Tensor, "*B 3 p p"]
    coords: Float[Tensor, "*B Q 2"]
    cell: Float[Tensor, "*B 1 2"]
    rgb: Float[Tensor, "*B Q 3"]


class Cut(NamedTuple):
    """The random part of a sample of a picture.

    Without `enlarged`, the square is the HR patch, of side `side`; with it, the LR patch.
    """

    top: int
    left: int
    pose: tuple[int, int, int]
    """Whether (1 or 0) the square is turned upside down, mirrored, and then transposed."""
    side: int
    """n, the side of the HR patch."""
    pixels: Int[np.ndarray, " Q"]
    """The queries, as row * n + column of the HR patch."""
    enlarged: bool


@dataclass(frozen=True)
class Sampling:
    """The rule by which samples are drawn. The defaults are LIIF's and LTE's. CiaoSR takes patches of 64 and 4096
    queries."""

    patch: int = 48
    queries: int = 2304
    min_scale: float = 1.0
    max_scale: float = 4.0

    def __post_init__(self) -> None:
        """Raises InputError if no sample can be drawn by these numbers."""
        if not 1 <= self.min_scale <= self.max_scale < math.inf:
            raise InputError(
                f"training scales from {self.min_scale:g} to {self.max_scale:g} make no sense: "
                "they start at 1 or more and do not go down"
            )
        most = self.smallest_side**2
        if not 1 <= self.queries <= most:
            raise InputError(
                f"{self.queries} queries cannot be drawn from a patch of {self.patch} pixels at scale "
                f"{self.min_scale:g}, which has {most}: ask for 1 to {most}"
            )

    @property
    def smallest_side(self) -> int:
        """Side of the smallest HR patch."""
        return round(self.patch * self.min_scale)

    @property
    def largest_side(self) -> int:
        """Side of the largest HR patch."""
        return round(self.patch * self.max_scale)

    def cut(self, height: int, width: int, rng: np.random.Generator, enlarged: bool = False) -> Cut:
        """A random cut of a picture. Its sides are at least `largest_side`, or `patch` if its pixels are shown as they
        are."""
        n = round(self.patch * rng.uniform(self.min_scale, self.max_scale))
        square = self.patch if enlarged else n
        top, left = (int(rng.integers(length - square + 1)) for length in (height, width))
        upside_down, mirrored, transposed = rng.integers(2, size=3).tolist()
        pixels = rng.choice(n * n, self.queries, replace=False, shuffle=False)
        return Cut(top, left, (upside_down, mirrored, transposed), n, pixels, enlarged)

    def make(self, image: UInt8[Tensor, "3 H W"], cut: Cut) -> Sample:
        """The sample of a cut."""
        n, pixels, square = cut.side, torch.from_numpy(cut.pixels), self.square(image, cut)
        if cut.enlarged:
            lr = to_model_range(square)
            rgb = enlarged(lr, n).flatten(1)[:, pixels].T
        else:
            lr = to_model_range(resize_pillow(square, self.patch, self.patch))
            rgb = to_model_range(square.flatten(1)[:, pixels]).T
        centers = pixel_centers(n).float()
        coords = torch.stack([centers[pixels // n], centers[pixels % n]], dim=-1)
        return Sample(lr, coords, torch.full((1, 2), 2 / n), rgb)

    def draw(self, image: UInt8[Tensor, "3 H W"], rng: np.random.Generator) -> Sample:
        """A random sample of an image whose sides are at least `largest_side`."""
        return self.make(image, self.cut(image.shape[1], image.shape[2], rng))

    def square(self, image: UInt8[Tensor, "3 H W"], cut: Cut) -> UInt8[Tensor, "3 n n"]:
        """Cuts the square out of the image, and turns it."""
        side = self.patch if cut.enlarged else cut.side
        square = image[:, cut.top : cut.top + side, cut.left : cut.left + side]
        upside_down, mirrored, transposed = cut.pose
        square = square.flip([axis for axis, flip in ((1, upside_down), (2, mirrored)) if flip])
        return (square.mT if transposed else square).contiguous()


def enlarged(lr: Float[Tensor, "3 p p"], n: int) -> Float[Tensor, "3 n n"]:
    """A picture of n x n pixels in [-1, 1] whose bicubic reduction is nearly `lr`, and whose tones are those of `lr`.

    It is made by iterative back-projection (Irani & Peleg, 1991), from the mean of the nearest pixel and the bicubic
    surface. Values are clipped, so no picture reduces to a dither exactly, and the nearest one is up to 15 grey levels
    too bright or too dark. So its pixels are at last mixed with white or black, by the share that gives each place its
    tone.
    """

    def resize(x: Tensor, side: int) -> Tensor:
        return F.interpolate(x, (side, side), mode="bicubic", antialias=True)

    x, p = lr[None], lr.shape[-1]
    hr = (F.interpolate(x, (n, n), mode="nearest-exact") + resize(x, n)) / 2
    for _ in range(BACK_PROJECTIONS):
        hr = (hr + resize(x - resize(hr, p), n)).clamp(-1, 1)
    sides = torch.tensor([p, n])
    before, after = tone_weights(sides[:1], p, p), tone_weights(sides[1:], p, n)
    return mixed(hr, resize(tone_share(before @ x @ before.mT, after @ hr @ after.mT), n))[0]


def tone_weights(sides: Int[Tensor, " B"], p: int, longest: int) -> Float[Tensor, "B p longest"]:
    """The weights of the averages over squares of `TONE` LR pixels around each of p LR pixels, along axes of other sides.

    A pixel counts by its part within the square, and squares end at the border. Beyond its side an axis has zeros.
    """
    pixel = (p / sides.float())[:, None, None]  # the side of a pixel, in LR pixels
    start = torch.arange(longest, device=sides.device) * pixel
    low = torch.arange(p, device=sides.device)[:, None] + 0.5 - TONE / 2
    parts = (torch.minimum(start + pixel, low + TONE) - torch.maximum(start, low)).clamp(min=0)
    parts = parts * (torch.arange(longest, device=sides.device) < sides[:, None, None])
    return parts / parts.sum(-1, keepdim=True)


def tone_share(wanted: Float[Tensor, "*S"], tone: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """The share of white or, where it is negative, of black, that brings tones in [-1, 1] to those wanted."""
    room = torch.where(wanted > tone, 1 - tone, 1 + tone)
    return (wanted - tone) / room.clamp(min=1e-3)


def mixed(hr: Float[Tensor, "*S"], share: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Pixels mixed with a share of white or, where it is negative, of black. They stay in [-1, 1]."""
    share = share.clamp(-1, 1)
    return hr + share - share.abs() * hr


def to_model_range(levels: Shaped[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Grey levels of 8 bits, of any type, in the range of the models, [-1, 1]."""
    return normalise(from_levels(levels.float()))
