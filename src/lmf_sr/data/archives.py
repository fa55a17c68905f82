"""Image files as they were downloaded, and the keys under which a store (`store.py`) holds them.

A source is a folder, with all within it, or an archive (zip, tar), which is read without being unpacked. The files on
the left

    DIV2K_train_HR/0001.png                       train/HR/0001
    DIV2K_valid_HR/0801.png                       valid/HR/0801
    DIV2K_valid_LR_bicubic/X2/0801x2.png          valid/LR_bicubic/X2/0801x2
    Set5/HR/baby.png                              Set5/HR/baby
    Set5/LR_bicubic/X2/babyx2.png                 Set5/LR_bicubic/X2/babyx2
    SOURCE/any/other.jpg                          train/HR/SOURCE/any/other.jpg

get the keys on the right, wherever these folders lie. DIV2K's other LR images are of no use, because training reduces
its own.
"""

import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lmf_sr.data.pairs import lr_name, scale_of_folder
from lmf_sr.data.store import TRAINING, VALIDATION, folder_of
from lmf_sr.errors import InputError
from lmf_sr.geometry import Size
from lmf_sr.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES, natural_order

_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz")
_LARGEST = 2**30  # bytes of a file in an archive; no photograph has more, and a small archive can claim any size
_SET_SIZES = {"Set5": 5, "Set14": 14, "B100": 100, "Urban100": 100, "Manga109": 109}
_DIV2K = {
    TRAINING: {f"{number:04}" for number in range(1, 801)},
    VALIDATION: {f"{number:04}" for number in range(801, 901)},  # in EDSR's archive they lie beside the others
}
_DIV2K_SIDE = 2040  # the longer side of each of its HR images


class ImageFile(NamedTuple):
    """An image file: its path within its source, its name for people, and a function that reads its bytes."""

    path: PurePosixPath
    name: Path
    read: Callable[[], bytes]


def image_files(source: Path, archives: ExitStack, passed_over: Callable[[str], None]) -> Iterator[ImageFile]:
    """The image files of a folder or an archive, and of the archives in the folder.

    `passed_over` takes the names, with the reason, of pictures that cannot be read. Hidden files, and files that are no
    pictures, are passed over without a word. Archives stay open until `archives` closes. Raises InputError for a source that
    is neither, or a damaged archive.
    """
    if source.is_dir():
        inside = PurePosixPath(source.resolve().name)
        for file in sorted(_files_within(source, passed_over), key=lambda file: natural_order(str(file))):
            path = inside / _posix(file.relative_to(source).as_posix())
            if file.parent == source and file.name.lower().endswith(_ARCHIVES):
                yield from image_files(file, archives, passed_over)
            elif _is_image(path) and file.is_file():
                yield ImageFile(path, file, file.read_bytes)
            elif _is_image(path) and file.is_symlink():
                passed_over(f"{file} (a link to nothing)")
            elif _is_unread(path):
                passed_over(f"{file} ({UNREAD_SUFFIXES[path.suffix.lower()]}, which is not read)")
    elif source.is_file():
        inside = PurePosixPath(re.sub(r"\.(zip|tar|tgz|tar\.gz)$", "", source.name, flags=re.IGNORECASE))
        for member, size, read in _members(source, archives):
            path = inside / _posix(member)
            if _is_image(path):
                yield ImageFile(path, source / member, _guarded(size, read))
            elif _is_unread(path):
                passed_over(f"{source / member} ({UNREAD_SUFFIXES[path.suffix.lower()]}, which is not read)")
    else:
        raise InputError(f"there is no folder or archive {source}")


def _files_within(folder: Path, passed_over: Callable[[str], None]) -> Iterator[Path]:
    """Yields all files of a folder and of the folders in it. Raises InputError if the folder itself cannot be read."""

    def unread(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise InputError(f"cannot read the folder {folder}: {error.strerror}") from error
        passed_over(f"{error.filename} ({error.strerror})")

    for inner, _, names in os.walk(folder, onerror=unread):
        yield from (Path(inner, name) for name in names)


def _posix(name: str) -> PurePosixPath:
    """The place that a name stands for.

    Some programs on Windows write archives with `\\` in names, and some programs unpack these to files with `\\` in their
    names.
    """
    return PurePosixPath(name.replace("\\", "/"))


def key_of(path: PurePosixPath, photographs: str = TRAINING) -> str | None:
    """The key in a store of an image file; None for DIV2K's files that are of no use. `photographs` is for all the rest."""
    *folders, last = path.parts
    for i, folder in enumerate(folders):
        if of_div2k := re.fullmatch("DIV2K_(train|valid)_(HR|LR_bicubic)", folder):
            part = VALIDATION if path.stem[:4] in _DIV2K[VALIDATION] else of_div2k[1]
            if of_div2k[2] == "HR":
                return f"{part}/HR/{path.stem}"
            if part == VALIDATION and any(scale_of_folder(inner) is not None for inner in folders[i + 1 : i + 2]):
                return _lr_key(part, folders[i + 1], path.stem)
    if any(folder.startswith(("DIV2K_train_LR", "DIV2K_valid_LR")) for folder in folders):
        return None
    match folders:
        case [*_, name, "HR"]:
            return f"{name}/HR/{path.stem}"
        case [*_, name, "LR_bicubic", scale] if scale_of_folder(scale) is not None:
            return _lr_key(name, scale, path.stem)
    name = "/".join(part for part in (*folders, last) if part not in ("..", "/"))
    return (
        f"{photographs}/HR/{name.encode(errors='surrogateescape').decode(errors='replace')}"  # names need not be UTF-8
    )


def _lr_key(name: str, folder: str, stem: str) -> str:
    """The key of an LR image of the set `name`, in one spelling of its scale."""
    scale = scale_of_folder(folder)
    assert scale is not None
    return f"{name}/LR_bicubic/X{scale:g}/{lr_name(stem, scale)}"


def shortcomings(sizes: Mapping[str, Size]) -> Iterator[str]:
    """Yields a sentence on each fault of the images found, judged by their keys, heights and widths.

    DIV2K and the benchmark sets must be complete, DIV2K's images 2040 pixels long, and LR images those of the HR images.
    """
    folders: dict[str, dict[str, Size]] = {}
    for key, size in sizes.items():
        folder = folder_of(key)
        folders.setdefault(folder, {})[key.removeprefix(f"{folder}/")] = size
    for folder, found in folders.items():
        name, kind, *scale = folder.split("/")
        if kind == "HR" and name in _DIV2K:
            yield from _of_div2k(name, {image: size for image, size in found.items() if "/" not in image})
        elif kind == "HR" and len(found) != _SET_SIZES.get(name, len(found)):
            yield f"{name} has {len(found)} images, not its {_SET_SIZES[name]}: the download is incomplete"
        elif scale:
            yield from _of_lr(folder, float(scale[0][1:]), found, folders.get(f"{name}/HR", {}))


def _of_div2k(part: str, found: Mapping[str, Size]) -> Iterator[str]:
    expected = _DIV2K[part]
    if not found:
        return
    if missing := expected - found.keys():
        yield f"DIV2K_{part}_HR lacks {len(missing)} of its {len(expected)} images: {join_names(missing)}"
    if unknown := found.keys() - expected:
        yield f"DIV2K_{part}_HR has {len(unknown)} images that are none of its {len(expected)}: {join_names(unknown)}"
    if odd := [
        f"{name} ({width}x{height})" for name, (height, width) in found.items() if max(height, width) != _DIV2K_SIDE
    ]:
        yield f"DIV2K_{part}_HR has {len(odd)} images whose longer side is not {_DIV2K_SIDE} pixels: {join_names(odd)}"


def _of_lr(folder: str, scale: float, found: Mapping[str, Size], hr: Mapping[str, Size]) -> Iterator[str]:
    expected = {f"{name}x{scale:g}": size for name, size in hr.items()}
    if missing := expected.keys() - found.keys():
        yield f"{folder} lacks {len(missing)} LR images: {join_names(missing)}"
    if unknown := found.keys() - expected.keys():
        yield f"{folder} has {len(unknown)} LR images of no HR image: {join_names(unknown)}"
    fitting = {name: tuple(int(side / scale) for side in size) for name, size in expected.items()}
    if odd := [name for name in expected.keys() & found.keys() if found[name] != fitting[name]]:
        yield f"{folder} has {len(odd)} LR images whose size is not the HR image's by {scale:g}: {join_names(odd)}"


def join_names(names: Iterable[str], most: int = 20) -> str:
    """Joins names in order, the first `most` of them."""
    ordered = sorted(names, key=natural_order)
    return ", ".join(ordered[:most]) + (f" and {len(ordered) - most} more" if len(ordered) > most else "")


def _members(archive: Path, archives: ExitStack) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Name, size and reader of each file in an archive."""
    try:
        if zipfile.is_zipfile(archive):
            packed = archives.enter_context(zipfile.ZipFile(archive))
            for info in packed.infolist():
                if not info.is_dir():
                    yield info.filename, info.file_size, lambda info=info: packed.read(info)  # type: ignore[misc]
        else:
            tape = archives.enter_context(tarfile.open(archive))  # noqa: SIM115 (closed by the stack)
            for member in tape.getmembers():
                if member.isreg():
                    yield member.name, member.size, lambda member=member: tape.extractfile(member).read()  # type: ignore[misc,union-attr]
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise InputError(f"{archive} is neither a folder nor a whole zip or tar archive: {error}") from error


def _guarded(size: int, read: Callable[[], bytes]) -> Callable[[], bytes]:
    def guarded() -> bytes:
        if size > _LARGEST:
            raise InputError(f"unpacked it would be {size:,} bytes, more than any photograph")
        try:
            return read()
        except (
            Exception
        ) as error:  # damaged, encrypted, or packed in a way unknown here: archives raise nearly anything
            raise InputError(f"it cannot be extracted from the archive: {error}") from error

    return guarded


def _is_image(path: PurePosixPath) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not _is_hidden(path)


def _is_unread(path: PurePosixPath) -> bool:
    return path.suffix.lower() in UNREAD_SUFFIXES and not _is_hidden(path)


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") and part != ".." for part in path.parts[1:]) or "__MACOSX" in path.parts
