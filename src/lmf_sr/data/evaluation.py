"""Evaluation images: at a scale s, HR images and the LR images they are judged from.

The LR image of a set's own files is taken where there is one (MATLAB's bicubic, `LR_bicubic/X2/babyx2.png`), and its HR
image cropped to s times its size. Otherwise the HR image is cropped to `round(floor(H/s) s)` and Pillow's bicubic reduces
it to `floor(H/s)`, so that any scale of at least 1 can be asked for.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtyping import UInt8
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.images import HELD_OUT, embedded_photographs, list_images, read_rgb8, resize_pillow

HighRes = UInt8[Tensor, "3 H W"]
LowRes = UInt8[Tensor, "3 h w"]


class Pair(NamedTuple):
    """One evaluation image at one scale."""

    name: str
    lr: LowRes
    hr: HighRes


class PairedImages:
    """The HR images of one set, by name, paired with an LR image for any scale.

    Files are read when their turn comes, so that a large set does not have to fit in memory; tensors are used as they are.
    """

    def __init__(self, name: str, images: Mapping[str, Path | HighRes], lr_folder: Path | None = None) -> None:
        """`lr_folder` holds the set's own LR images as `X<scale>/<name>x<scale>.png`."""
        self.name = name
        self.images = dict(images)
        self.lr_folder = lr_folder

    @classmethod
    def of_files(cls, name: str, files: Sequence[Path], lr_folder: Path | None = None) -> "PairedImages":
        """The images of these files, each named by its file's stem."""
        return cls(name, {file.stem: file for file in files}, lr_folder)

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
        hr = read_rgb8(image) if isinstance(image, Path) else image
        own = self._own_lr(name, scale)
        return _pair_with(own, name, hr, scale) if own else _reduce(name, hr, scale)

    def _own_lr(self, name: str, scale: float) -> Path | None:
        if self.lr_folder is None:
            return None
        file = self.lr_folder / f"X{scale:g}" / f"{name}x{scale:g}.png"
        return file if file.is_file() else None


def embedded_set() -> PairedImages:
    """The embedded photographs that are held out from training."""
    photographs = embedded_photographs()
    return PairedImages("embedded", {name: photographs[name] for name in HELD_OUT})


def folder_set(root: Path) -> PairedImages:
    """Every image of a folder. Raises InputError if it is missing or holds none."""
    return PairedImages.of_files(root.name, list_images(root))


def benchmark_sets(root: Path, names: Sequence[str]) -> list[PairedImages]:
    """Benchmark sets in the EDSR layout: `root/Set5/HR/*.png`, and `root/Set5/LR_bicubic/X2/*x2.png` where the set has it.

    Raises InputError if a set's HR folder is missing or empty.
    """
    return [PairedImages.of_files(name, list_images(root / name / "HR"), root / name / "LR_bicubic") for name in names]


def _pair_with(file: Path, name: str, hr: HighRes, scale: float) -> Pair:
    lr = read_rgb8(file)
    height, width = (round(side * scale) for side in lr.shape[1:])
    if height > hr.shape[1] or width > hr.shape[2]:
        raise InputError(
            f"{file} is {lr.shape[1]} x {lr.shape[2]} pixels, too large to be the x{scale:g} LR image of {name}, "
            f"whose HR image is {hr.shape[1]} x {hr.shape[2]}: check that both come from the same set"
        )
    return Pair(name, lr, hr[:, :height, :width])


def _reduce(name: str, hr: HighRes, scale: float) -> Pair:
    # The small term keeps 270 / 2.7 at 100, which floating point puts at 99.99…
    height, width = (math.floor(side / scale + 1e-9) for side in hr.shape[1:])
    if min(height, width) < 1:
        raise InputError(
            f"{name} is {hr.shape[1]} x {hr.shape[2]} pixels, which leaves nothing at scale {scale:g}: "
            "leave it out or ask for a smaller scale"
        )
    hr = hr[:, : round(height * scale), : round(width * scale)]
    return Pair(name, resize_pillow(hr, height, width), hr)
