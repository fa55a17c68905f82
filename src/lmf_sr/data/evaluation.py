"""Evaluation images: at a scale s, HR images and the LR images they are judged from.

The LR image is the set's own file where there is one (MATLAB's bicubic, `LR_bicubic/X2/babyx2.png`), and the HR image is
cropped to s times its size. Otherwise the HR image is cropped to `round(floor(H/s) s)` and Pillow's bicubic reduces it to
`floor(H/s)`, so that any scale of at least 1 can be asked for.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from jaxtyping import UInt8
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.images import read_rgb8, resize_pillow

HighRes = UInt8[Tensor, "3 H W"]
LowRes = UInt8[Tensor, "3 h w"]


class Pair(NamedTuple):
    """One evaluation image at one scale."""

    name: str
    scale: float
    lr: LowRes
    hr: HighRes


class PairedImages:
    """The HR images of one set, by name, paired with an LR image for any scale.

    Files are read when their turn comes, so that a large set need not fit in memory; `decoded` reads them once and for all.
    """

    def __init__(self, name: str, images: Mapping[str, Path | HighRes], lr_folder: Path | None = None) -> None:
        """`lr_folder` holds the set's own LR images as `X<scale>/<name>x<scale>.png`."""
        self.name = name
        self.images = dict(images)
        self.lr_folder = lr_folder

    @classmethod
    def of_files(cls, name: str, files: Sequence[Path], lr_folder: Path | None = None) -> "PairedImages":
        """The images of these files, each named by its stem, or by its whole name where two share a stem."""
        stems = Counter(file.stem for file in files)
        return cls(name, {file.stem if stems[file.stem] == 1 else file.name: file for file in files}, lr_folder)

    def decoded(self) -> "PairedImages":
        """The same set with its HR images in memory."""
        return PairedImages(self.name, decode(self.images), self.lr_folder)

    def __len__(self) -> int:
        return len(self.images)

    def names(self) -> list[str]:
        """The images' names, in the order of `pairs`."""
        return list(self.images)

    def pairs(self, scale: float) -> Iterator[Pair]:
        """Every image at this scale, in order."""
        for name in self.images:
            yield self.pair(name, scale)

    def pair(self, name: str, scale: float) -> Pair:
        """One image at this scale.

        Raises InputError if the scale is under 1 or too large for the image, or a file cannot be read.
        """
        if not 1 <= scale < math.inf:
            raise InputError(f"scale {scale:g} cannot be evaluated: a scale is a number of at least 1")
        image = self.images[name]
        hr = image if isinstance(image, Tensor) else read_rgb8(image)
        own = self._own_lr(name, scale)
        return _pair_with(own, name, hr, scale) if own else _reduce(name, hr, scale)

    def _own_lr(self, name: str, scale: float) -> Path | None:
        if self.lr_folder is None:
            return None
        file = self.lr_folder / f"X{scale:g}" / f"{name}x{scale:g}.png"
        return file if file.is_file() else None


def decode(images: Mapping[str, Path | HighRes]) -> dict[str, HighRes]:
    """The images as uint8 in memory, several files at a time. Raises InputError, naming the file, if one cannot be read."""
    with ThreadPoolExecutor() as readers:
        pixels = readers.map(lambda image: image if isinstance(image, Tensor) else read_rgb8(image), images.values())
        return dict(zip(images, pixels, strict=True))


def _pair_with(file: Path, name: str, hr: HighRes, scale: float) -> Pair:
    lr = read_rgb8(file)
    height, width = (round(side * scale) for side in lr.shape[1:])
    if height > hr.shape[1] or width > hr.shape[2]:
        raise InputError(
            f"{file} is {lr.shape[1]} x {lr.shape[2]} pixels, too large to be the x{scale:g} LR image of {name}, "
            f"whose HR image is {hr.shape[1]} x {hr.shape[2]}: check that both come from the same set"
        )
    return Pair(name, scale, lr, hr[:, :height, :width])


def _reduce(name: str, hr: HighRes, scale: float) -> Pair:
    # The small term keeps 270 / 2.7 at 100, which floating point puts at 99.99…
    height, width = (math.floor(side / scale + 1e-9) for side in hr.shape[1:])
    if min(height, width) < 1:
        raise InputError(
            f"{name} is {hr.shape[1]} x {hr.shape[2]} pixels, which leaves nothing at scale {scale:g}: "
            "leave it out or ask for a smaller scale"
        )
    hr = hr[:, : round(height * scale), : round(width * scale)]
    return Pair(name, scale, resize_pillow(hr, height, width), hr)
