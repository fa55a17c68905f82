"""Evaluation images: at a scale s, HR images and the LR images that are upscaled to be compared with them.

    file        the set's own LR images, where it has any at this scale (MATLAB's bicubic, `LR_bicubic/X2/babyx2.png`);
                the HR image is cropped to s times the LR image's size
    computed    the HR image is cropped to `round(floor(H/s) s)` and Pillow's bicubic reduces it to `floor(H/s)`, so that
                any scale of at least 1 can be asked for

At one scale all images of a set are of one kind, because figures of different kinds do not compare.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float, UInt8
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.images import IMAGE_SUFFIXES, read_rgb8, resize_pillow
from lmf_sr.normalisation import from_levels

HighRes = UInt8[Tensor, "3 H W"]
LowRes = UInt8[Tensor, "3 h w"]
Images = Mapping[str, Path | UInt8[Tensor, "3 _ _"]]
"""Images by name, in memory or as files."""


class Pair(NamedTuple):
    """An evaluation image at one scale: grey levels of 8 bits, and on demand the same as pictures, in [0, 1]."""

    name: str
    scale: float
    lr: LowRes
    hr: HighRes

    @property
    def lr_picture(self) -> Float[Tensor, "3 h w"]:
        return from_levels(self.lr)

    @property
    def hr_picture(self) -> Float[Tensor, "3 H W"]:
        return from_levels(self.hr)


class PairedImages:
    """The HR images of one set, by name, paired with an LR image for any scale.

    Files are read when their turn comes, so that a large set need not fit in memory; `decoded` reads them once and for all.
    """

    def __init__(self, name: str, images: Images, own_lr: Mapping[float, Images] | None = None) -> None:
        """`own_lr` holds the set's own LR images: for each scale it has, the images by name and scale (`babyx2`)."""
        self.name = name
        self.images = images
        self.own_lr = own_lr or {}

    @classmethod
    def from_files(cls, name: str, files: Sequence[Path], lr_folder: Path | None = None) -> "PairedImages":
        """The images of these files, each named by its stem, or by its whole name where two share a stem.

        `lr_folder` holds the set's own LR images as `X<scale>/<name>x<scale>.png`, in any spelling of the scale.
        """
        stems = Counter(file.stem for file in files)
        images = {file.stem if stems[file.stem] == 1 else file.name: file for file in files}
        return cls(name, images, _lr_files(lr_folder) if lr_folder else None)

    def decoded(self, scales: Sequence[float]) -> "PairedImages":
        """This set in memory, with its own LR images for these scales."""
        lr = {scale: decode(self.own_lr[scale]) for scale in scales if scale in self.own_lr}
        return PairedImages(self.name, decode(self.images), lr)

    def __len__(self) -> int:
        return len(self.images)

    def names(self) -> list[str]:
        """The images' names, in the order of `pairs`."""
        return list(self.images)

    def lr_source(self, scale: float) -> str:
        """The kind of the LR images at this scale, "file" or "computed"."""
        return "file" if scale in self.own_lr else "computed"

    def pairs(self, scale: float) -> Iterator[Pair]:
        """Every image at this scale, in order."""
        for name in self.images:
            yield self.pair(name, scale)

    def pair(self, name: str, scale: float) -> Pair:
        """The pair of an image at this scale.

        Raises InputError if the scale is under 1 or too large for the image, if the set has LR images of its own at this
        scale but not of this image, or if a file cannot be read.
        """
        hr = _pixels(self.images[name])
        own = self._own(name, scale)
        lr = None if own is None else _pixels(own)
        height, width = _lr_size(name, scale, hr, lr)
        hr = hr[:, : round(height * scale), : round(width * scale)]
        return Pair(name, scale, resize_pillow(hr, height, width) if lr is None else lr, hr)

    def hr_size(self, name: str, scale: float) -> tuple[int, int]:
        """Height and width of the HR image that `pair` gives, at little cost if decoded. Raises InputError as it does."""
        own = self._own(name, scale)
        height, width = _lr_size(name, scale, _pixels(self.images[name]), None if own is None else _pixels(own))
        return round(height * scale), round(width * scale)

    def _own(self, name: str, scale: float) -> Path | LowRes | None:
        if scale not in self.own_lr:
            return None
        file = f"{name}x{scale:g}"
        if file not in self.own_lr[scale]:
            raise InputError(
                f"{self.name} has LR images of its own at scale {scale:g}, but none named {file}: complete them, or take "
                f"all of X{scale:g} away to have LR images computed"
            )
        return self.own_lr[scale][file]


def decode(images: Images) -> dict[str, UInt8[Tensor, "3 _ _"]]:
    """The images as uint8 in memory, several files at a time. Raises InputError, naming the file, if one cannot be read."""
    with ThreadPoolExecutor() as readers:
        return dict(zip(images, readers.map(_pixels, images.values()), strict=True))


def _pixels(image: Path | UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "3 H W"]:
    return image if isinstance(image, Tensor) else read_rgb8(image)


def _lr_files(folder: Path) -> dict[float, dict[str, Path]]:
    """The images, by their names, of each folder in this one that is named by a scale."""
    files: dict[float, dict[str, Path]] = {}
    for inner in sorted(folder.glob("[Xx]*")):
        scale = scale_of_folder(inner.name)
        if scale is not None and inner.is_dir():
            images = (file for file in inner.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
            files.setdefault(scale, {}).update((lr_name(file.stem, scale), file) for file in images)
    return files


def scale_of_folder(name: str) -> float | None:
    """The scale that names a folder, 1.6 for `X1.6`, `X1.60` and `x1.6`; None for a folder with another name."""
    return float(name[1:]) if re.fullmatch(r"[Xx]\d+(\.\d+)?", name) else None


def lr_name(stem: str, scale: float) -> str:
    """The name of an LR image of this scale in one spelling: `babyx1.6` for `babyx1.60` and `babyX1.6` too."""
    named = re.fullmatch(r"(.*)[Xx](\d+(?:\.\d+)?)", stem, re.DOTALL)
    return f"{named[1]}x{scale:g}" if named and float(named[2]) == scale else stem


def _lr_size(name: str, scale: float, hr: HighRes, lr: LowRes | None) -> tuple[int, int]:
    """Height and width of the LR image, the set's own if there is one. Raises InputError if the HR image is too small."""
    if not 1 <= scale < math.inf:
        raise InputError(f"scale {scale:g} cannot be evaluated: a scale is a number of at least 1")
    if lr is not None:
        height, width = lr.shape[1:]
        if round(height * scale) > hr.shape[1] or round(width * scale) > hr.shape[2]:
            raise InputError(
                f"{name}x{scale:g} is {height} x {width} pixels, too large to be the x{scale:g} LR image of {name}, "
                f"whose HR image is {hr.shape[1]} x {hr.shape[2]}: check that both come from the same set"
            )
        return height, width
    # The small term keeps 270 / 2.7 at 100, which floating point puts at 99.99…
    height, width = (math.floor(side / scale + 1e-9) for side in hr.shape[1:])
    if min(height, width) < 1:
        raise InputError(
            f"{name} is {hr.shape[1]} x {hr.shape[2]} pixels, which leaves nothing at scale {scale:g}: "
            "leave it out or ask for a smaller scale"
        )
    return height, width
