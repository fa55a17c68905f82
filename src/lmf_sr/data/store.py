"""A store: photographs decoded once and for all, in one memory-mapped file that all processes share.

It is a safetensors file. Each image is a tensor, uint8, (3, height, width), whose key gives its set and its use:

    train/HR/NAME    valid/HR/NAME    valid/LR_bicubic/X2/NAMEx2    Set5/HR/NAME    Set5/LR_bicubic/X2/NAMEx2

The header's metadata hold the format and each image's CRC-32. `lmf-sr prepare` writes stores; `sources.py` reads them.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any
from zlib import crc32

from jaxtyping import UInt8
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.images import natural_order

FORMAT = "lmf-sr images 1"
TRAINING, VALIDATION = "train", "valid"  # the sets that are no benchmark
ENTRY = 160  # bytes of a header's entry beside the name, which it holds twice: more than enough for sizes and offsets

Pixels = UInt8[Tensor, "3 _ _"]
Photographs = Mapping[str, Pixels]


class Stored(Photographs):
    """The images of one folder of a store, such as `train/HR`, by name. They are views of the file, not copies.

    An image is checked when a process first asks for it, and InputError is raised if it has changed since it was written. To
    another process the file's name is sent, not its images.
    """

    def __init__(self, path: Path, folder: str) -> None:
        """Raises InputError for a file that is no store, or one cut short."""
        self.path, self.folder = path, folder
        self.file, self.checksums = _opened(path), _checksums(path)
        names = (key.removeprefix(f"{folder}/") for key in self.checksums if key.startswith(f"{folder}/"))
        self.names = sorted(names, key=natural_order)
        self.unchecked = set(self.names)

    def subset(self, names: Sequence[str]) -> "Stored":
        """The images of these names."""
        subset = copy(self)
        subset.names = list(names)
        return subset

    def __getitem__(self, name: str) -> Pixels:
        key = f"{self.folder}/{name}"
        checksum = self.checksums[key]
        image = self.file.get_tensor(key)
        if name in self.unchecked:
            if crc32(image.numpy().data) != int(checksum, 16):
                raise InputError(f"{self.path} is damaged: {key} is not what was written; prepare it anew")
            self.unchecked.remove(name)
        return image

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "file": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = {**state, "file": _opened(state["path"])}


def folder_of(key: str) -> str:
    """The folder of a key, without the image's name, such as `train/HR` or `Set5/LR_bicubic/X2`."""
    name, kind, *rest = key.split("/")
    return f"{name}/HR" if kind == "HR" else f"{name}/{kind}/{rest[0]}"


def sets_in(path: Path) -> dict[str, list[float]]:
    """The sets of a store ("train", "valid", "Set5"), each with the scales of its LR images. Raises InputError as
    `Stored`."""
    found: dict[str, list[float]] = {}
    for folder in sorted({folder_of(key) for key in _checksums(path)}):
        name, _, *scale = folder.split("/")
        found.setdefault(name, []).extend(float(s.removeprefix("X")) for s in scale)
    return found


def identity(path: Path) -> bytes | None:
    """A store's header, which tells it from other stores without reading all of it, because it holds each image's checksum.

    None for a file that is no store.
    """
    try:
        _checksums(path)
    except InputError:
        return None
    with path.open("rb") as file:
        return file.read(int.from_bytes(file.read(8), "little"))


def write_store(path: Path, keys: Collection[str], images: Iterable[tuple[str, Pixels]]) -> None:
    """Writes a store, atomically, from images as they come; `keys` are all keys that may come.

    The header stands before the pixels but is known only after them, so room is left for it, and the rest of it is blank.
    """
    room = sum(2 * len(json.dumps(key)) + ENTRY for key in keys) + ENTRY
    room += -room % 8  # safetensors aligns what follows
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT}}
    end = 0
    with replacing(path) as file:
        file.write(bytes(8 + room))
        for key, image in images:
            pixels = image.contiguous().numpy().data
            file.write(pixels)
            header[key] = {"dtype": "U8", "shape": pixels.shape, "data_offsets": [end, end + pixels.nbytes]}
            header["__metadata__"][key] = f"{crc32(pixels):08x}"
            end += pixels.nbytes
        file.seek(0)
        file.write(room.to_bytes(8, "little") + json.dumps(header).encode().ljust(room))


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"there is no store {path}: lmf-sr prepare makes one of photographs and archives")
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is no store of lmf-sr prepare, or one cut short: {error}") from error


def _checksums(path: Path) -> dict[str, str]:
    metadata = _opened(path).metadata() or {}
    if metadata.pop("format", None) != FORMAT:
        raise InputError(f"{path} is no store of format {FORMAT!r}: make one with lmf-sr prepare")
    return metadata
