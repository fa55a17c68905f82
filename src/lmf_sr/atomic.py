"""Files that are either complete or not there."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lmf_sr.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after which the file written so far is worth keeping: `replacing` gives it the name `kept`."""

    def __init__(self, message: str, kept: Path) -> None:
        super().__init__(message)
        self.kept = kept


LONGEST = 200  # bytes of a name, of the 255 that file systems allow


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends without an error, and vanishes otherwise.

    Makes the folder if need be. A block that ends with `Interrupted` says by which other name the file stays. What killed
    processes have left of the same file is removed. Raises InputError where the file cannot be written (no permission, disk
    full).
    """
    path = Path(path)
    partial = path.with_name(f".{_short(path.name)}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w+b") as file:
            with suppress(OSError):  # a file system without locks
                _lock(file)
            _remove_abandoned(path)
            interruption: Interrupted | None = None
            try:
                yield file
            except Interrupted as interrupted:
                interruption = interrupted
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path if interruption is None else interruption.kept)
        if interruption is not None:
            raise interruption
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text in UTF-8, whole or not at all. Raises InputError as `replacing` does."""
    with replacing(path) as file:
        file.write(text.encode())


def _short(name: str) -> str:
    """The name, or a hash of one so long that a file system would have no room for what stands around it."""
    content = os.fsencode(name)
    return name if len(content) <= LONGEST else hashlib.sha256(content).hexdigest()


def _remove_abandoned(path: Path) -> None:
    """Removes partial files on which no process holds a lock, since locks end with their process, however it ends."""
    if fcntl is None:
        return
    of_this_file = re.compile(rf"\.{re.escape(_short(path.name))}\.\d+\.partial")
    for partial in filter(lambda file: of_this_file.fullmatch(file.name), path.parent.glob(".*.partial")):
        with suppress(OSError), partial.open("rb") as file:  # OSError: it is being written, gone, or another user's
            _lock(file)
            partial.unlink()


def _lock(file: BinaryIO) -> None:
    """Raises BlockingIOError where another holds the lock."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
