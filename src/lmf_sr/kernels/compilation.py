"""Builds the compiled code for CPUs: the C beside this file, with the system's C compiler, when it is first needed.

The library is kept in the user's cache folder, under a name that follows from everything it depends on (the sources, the
command, the compiler and the CPU it compiles for), and is put there whole, so any number of processes may build it at once.
Where there is no compiler, or no folder to keep the library in, PyTorch does the work.
"""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fopenmp", "-fPIC", "-shared", "-Wno-psabi")
TIMEOUT_S = 120


class Unavailable(Exception):  # noqa: N818
    """Why there is no compiled library, in a few words."""


def library_path() -> Path:
    """The file of the library, built if need be.

    Raises:
        Unavailable: if there is no compiler or it fails.
        OSError: if the cache folder cannot be written.
    """
    compiler = shlex.split(os.environ.get("CC") or "cc")
    command = [*compiler, *FLAGS]
    path = _cache_folder() / f"kernels-{_key(compiler, command)}.so"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            built = Path(folder) / path.name
            print(f"lmf-sr: compiling its kernels for this CPU, once, into {path}", file=sys.stderr, flush=True)
            _run([*command, *map(str, sorted(SOURCES.glob("*.c"))), "-lm", "-o", str(built)])
            built.replace(path)
    return path


def _key(compiler: list[str], command: list[str]) -> str:
    target = _run([*compiler, "-march=native", "-dM", "-E", "-x", "c", os.devnull])  # names compiler and CPU
    sources = [file.read_bytes() for file in sorted(SOURCES.glob("*.[ch]"))]
    return hashlib.sha256(b"\0".join([*sources, shlex.join(command).encode(), target])).hexdigest()[:32]


def _run(command: list[str]) -> bytes:
    try:
        return subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S).stdout
    except FileNotFoundError:
        raise Unavailable(f"there is no C compiler {command[0]!r}") from None
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"the C compiler failed: {error.stderr.decode(errors='replace').strip()}") from error
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the C compiler took more than {TIMEOUT_S} s") from None


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lmf-sr"
