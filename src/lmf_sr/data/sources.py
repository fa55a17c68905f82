"""Sources of images, one class for each choice of `conf/data`.

training()      the images to train on, in memory
validation()    the few images on which a training run is watched, never trained on
evaluation()    the sets that `lmf-sr evaluate` goes through
protocol        the customary measure of their PSNR (`evaluation/metrics.py`)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from jaxtyping import UInt8
from torch import Tensor

from lmf_sr.data.pairs import PairedImages, decode
from lmf_sr.data.store import TRAINING, VALIDATION, Photographs, Stored, sets_in
from lmf_sr.errors import InputError
from lmf_sr.images import HELD_OUT, TRAIN, embedded_photographs, list_images

T = TypeVar("T")


@runtime_checkable
class Source(Protocol):
    protocol: str

    def training(self) -> Photographs: ...

    def validation(self) -> PairedImages: ...

    def evaluation(self) -> list[PairedImages]: ...


class Embedded:
    """The photographs that ship in scikit-image; nothing has to be downloaded.

    Args:
        window: side, in pixels, of the middle of each held-out photograph that is evaluated; None for all of it.
    """

    protocol = "div2k"

    def __init__(self, window: int | None = None) -> None:
        self.window = window

    def training(self) -> Photographs:
        return embedded_photographs(TRAIN)

    def validation(self) -> PairedImages:
        photographs = embedded_photographs(HELD_OUT)
        if self.window is None:
            return PairedImages("embedded", photographs)
        middles = {name: _middle(photograph, self.window) for name, photograph in photographs.items()}
        return PairedImages(f"embedded-{self.window}", middles)

    def evaluation(self) -> list[PairedImages]:
        return [self.validation()]


def _middle(photograph: UInt8[Tensor, "3 H W"], side: int) -> UInt8[Tensor, "3 h w"]:
    top, left = (max(0, (length - side) // 2) for length in photograph.shape[1:])
    return photograph[:, top : top + side, left : left + side]


class Folder:
    """A folder of images, or of DIV2K: `DIV2K_train_HR`, `DIV2K_valid_HR` and, if there, `DIV2K_valid_LR_bicubic/X2` ...

    Without a validation part, `held_out` images, evenly spread over the folder, are kept from training, and evaluation takes
    these alone. All methods raise InputError if the folder is missing or empty.
    """

    protocol = "div2k"

    def __init__(self, root: str | Path, held_out: int = 5) -> None:
        self.root = Path(root)
        self.held_out = held_out
        self.train, self.valid = (self.root / f"DIV2K_{part}_HR" for part in ("train", "valid"))

    def training(self) -> Photographs:
        files = list_images(self.train if self.train.is_dir() else self.root)
        if not self.valid.is_dir():
            files, _ = split(files, self.held_out, self.root)
        return decode({str(file): file for file in files})

    def validation(self) -> PairedImages:
        name = self.root.resolve().name
        if self.valid.is_dir():
            return PairedImages.from_files(name, list_images(self.valid), self.root / "DIV2K_valid_LR_bicubic")
        _, files = split(list_images(self.train if self.train.is_dir() else self.root), self.held_out, self.root)
        return PairedImages.from_files(name, files)

    def evaluation(self) -> list[PairedImages]:
        return [self.validation()]


class Pictures:
    """All images of a folder, to evaluate on. Raises InputError if the folder is missing or empty."""

    protocol = "div2k"

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def training(self) -> Photographs:
        raise InputError(
            "data=pictures is for evaluation only: data=folder trains on a folder, and holds a few images out"
        )

    def validation(self) -> PairedImages:
        return PairedImages.from_files(self.root.resolve().name, list_images(self.root))

    def evaluation(self) -> list[PairedImages]:
        return [self.validation()]


class Store:
    """A file that `lmf-sr prepare` has made (`store.py`), whose images are decoded already.

    Its photographs are trained on, and its validation part is validated on. Without one, `held_out` photographs, evenly
    spread over the others, are kept from training. With `sets`, or if it holds nothing but benchmark sets, these are
    validated and evaluated on.

    All methods, and the constructor, raise InputError for a file that is no store, and for a set that it does not hold.
    """

    def __init__(self, root: str | Path, held_out: int = 5, sets: Sequence[str] | None = None) -> None:
        self.root, self.held_out = Path(root), held_out
        self.found = sets_in(self.root)
        benchmarks = [name for name in self.found if name not in (TRAINING, VALIDATION)]
        self.sets = list(sets or (benchmarks if len(benchmarks) == len(self.found) else []))
        if unknown := [name for name in self.sets if name not in benchmarks]:
            known = ", ".join(benchmarks) or "none"
            raise InputError(f"{root} holds no benchmark set {', '.join(unknown)}; it holds: {known}")
        self.protocol = "benchmark" if self.sets else "div2k"

    def training(self) -> Photographs:
        if TRAINING not in self.found:
            raise InputError(f"{self.root} holds nothing to train on, only: {', '.join(self.found)}")
        photographs = Stored(self.root, f"{TRAINING}/HR")
        if self.sets or VALIDATION in self.found:
            return photographs
        names, _ = split(list(photographs), self.held_out, self.root)
        return photographs.subset(names)

    def validation(self) -> PairedImages:
        return self.evaluation()[0]

    def evaluation(self) -> list[PairedImages]:
        """The benchmark sets asked for; else the validation part, or the photographs held out of the training part."""
        if self.sets or VALIDATION in self.found:
            return [self._set(name) for name in self.sets or [VALIDATION]]
        photographs = Stored(self.root, f"{TRAINING}/HR")
        _, names = split(list(photographs), self.held_out, self.root)
        return [PairedImages(self.root.stem, photographs.subset(names))]

    def _set(self, name: str) -> PairedImages:
        lr = {scale: Stored(self.root, f"{name}/LR_bicubic/X{scale:g}") for scale in self.found[name]}
        shown = self.root.stem if name == VALIDATION else name
        return PairedImages(shown, Stored(self.root, f"{name}/HR"), lr)


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
            PairedImages.from_files(name, list_images(self.root / name / "HR"), self.root / name / "LR_bicubic")
            for name in self.sets or self._found()
        ]

    def _found(self) -> list[str]:
        found = sorted(folder.parent.name for folder in self.root.glob("*/HR"))
        if not found:
            raise InputError(f"no benchmark set in {self.root}: a set is a folder that holds its images in a folder HR")
        return found


def split(images: Sequence[T], held_out: int, root: Path) -> tuple[list[T], list[T]]:
    """The images to train on and, evenly spread over them all, those to hold out. Raises InputError if either is none."""
    if not 1 <= held_out < len(images):
        raise InputError(
            f"{root} holds {len(images)} images, of which {held_out} cannot be held out for validation: "
            "data.held_out must be at least 1 and leave one to train on; data=pictures evaluates all images of a folder"
        )
    kept = {(2 * i + 1) * len(images) // (2 * held_out) for i in range(held_out)}
    return [image for i, image in enumerate(images) if i not in kept], [images[i] for i in sorted(kept)]
