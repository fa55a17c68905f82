"""Where images come from; one class for each choice of `conf/data`.

training()      images to train on, in memory
validation()    the few on which a training run is watched, never trained on
evaluation()    the sets that `lmf-sr evaluate` goes through
protocol        how their PSNR is customarily measured (`evaluation/metrics.py`)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import UInt8
from torch import Tensor

from lmf_sr.data.evaluation import PairedImages, decode
from lmf_sr.errors import InputError
from lmf_sr.images import HELD_OUT, TRAIN, embedded_photographs, list_images

Photographs = dict[str, UInt8[Tensor, "3 _ _"]]


@runtime_checkable
class Source(Protocol):
    protocol: str

    def training(self) -> Photographs: ...

    def validation(self) -> PairedImages: ...

    def evaluation(self) -> list[PairedImages]: ...


class Embedded:
    """The photographs that ship in scikit-image; nothing has to be downloaded."""

    protocol = "div2k"

    def training(self) -> Photographs:
        return embedded_photographs(TRAIN)

    def validation(self) -> PairedImages:
        return PairedImages("embedded", embedded_photographs(HELD_OUT))

    def evaluation(self) -> list[PairedImages]:
        return [self.validation()]


class Folder:
    """A folder of images, or of DIV2K: `DIV2K_train_HR`, `DIV2K_valid_HR` and, if there, `DIV2K_valid_LR_bicubic/X2` ...

    Without a validation part, `held_out` images, evenly spread over the folder, are kept from training. All methods raise
    InputError if the folder is missing or empty.
    """

    protocol = "div2k"

    def __init__(self, root: str | Path, held_out: int = 5) -> None:
        self.root = Path(root)
        self.held_out = held_out
        self.train, self.valid = (self.root / f"DIV2K_{part}_HR" for part in ("train", "valid"))

    def training(self) -> Photographs:
        files, _ = self._split()
        return decode({str(file): file for file in files})

    def validation(self) -> PairedImages:
        _, files = self._split()
        return self._set(files)

    def evaluation(self) -> list[PairedImages]:
        """The validation part of DIV2K, or what is held out of its training part; every image of a plain folder."""
        if self.valid.is_dir() or self.train.is_dir():
            return [self.validation()]
        return [self._set(list_images(self.root))]

    def _set(self, files: Sequence[Path]) -> PairedImages:
        return PairedImages.of_files(self.root.resolve().name, files, self.root / "DIV2K_valid_LR_bicubic")

    def _split(self) -> tuple[list[Path], list[Path]]:
        files = list_images(self.train if self.train.is_dir() else self.root)
        if self.valid.is_dir():
            return files, list_images(self.valid)
        if not 1 <= self.held_out < len(files):
            raise InputError(
                f"{self.root} holds {len(files)} images, of which {self.held_out} cannot be held out for validation: "
                f"data.held_out must be at least 1 and leave one to train on"
            )
        held_out = {files[(2 * i + 1) * len(files) // (2 * self.held_out)] for i in range(self.held_out)}
        return [file for file in files if file not in held_out], [file for file in files if file in held_out]


class Benchmark:
    """Benchmark sets in the EDSR layout: `root/Set5/HR/*.png`, and `root/Set5/LR_bicubic/X2/*x2.png` where the set has it.

    `sets` are names of folders; by default, all there are. Raises InputError if there are none, or if a set's HR folder is
    missing or empty.
    """

    protocol = "benchmark"

    def __init__(self, root: str | Path, sets: Sequence[str] | None = None) -> None:
        self.root = Path(root)
        self.sets = sets

    def training(self) -> Photographs:
        raise InputError("benchmark sets are for evaluation only: train on data=folder or data=embedded")

    def validation(self) -> PairedImages:
        return self.evaluation()[0]

    def evaluation(self) -> list[PairedImages]:
        return [
            PairedImages.of_files(name, list_images(self.root / name / "HR"), self.root / name / "LR_bicubic")
            for name in self.sets or self._found()
        ]

    def _found(self) -> list[str]:
        found = sorted(folder.parent.name for folder in self.root.glob("*/HR"))
        if not found:
            raise InputError(f"no benchmark set in {self.root}: a set is a folder that holds its images in a folder HR")
        return found
