"""Finds or builds the compiled code for CPUs, whose C lies beside this file.

A wheel for x86-64 Linux brings the library in two variants, in `built/`. The CPU decides which is loaded:

    avx512    x86-64-v4: Intel since Skylake-SP, AMD since Zen 4
    avx2      x86-64-v3: Intel since Haswell, AMD since Zen

Elsewhere the system's C compiler builds it for the CPU at hand when it is first needed. It is kept in the user's cache
folder, under a name that follows from everything it depends on (the sources, the command, the compiler and the CPU), and
is put there whole, so any number of processes may build it at once. Where there is no compiler, or no folder to keep the
library in, PyTorch does the work.

The build of the wheel (`hatch_build.py`) loads this file by its path, so it imports nothing but the standard library.
"""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent
BUILT = SOURCES / "built"
VARIANTS = {"AVX512": ("avx512", "x86-64-v4"), "AVX2": ("avx2", "x86-64-v3")}
"""Name and `-march` of each variant, by the answer of `torch.backends.cpu.get_cpu_capability()`."""
FLAGS = ("-std=gnu11", "-O3", "-fopenmp", "-fPIC", "-shared", "-Wno-psabi")
TIMEOUT_S = 120


class Unavailable(Exception):  # noqa: N818
    """There is no compiled library; the message is the reason, in a few words."""


def library_path(cpu_capability: str) -> Path:
    """The file of the library: the wheel's variant for the CPU, or one that is built if need be.

    Args:
        cpu_capability: the answer of `torch.backends.cpu.get_cpu_capability()`.

    Raises:
        Unavailable: if there is no compiler or it fails.
        OSError: if the cache folder cannot be written.
    """
    if cpu_capability in VARIANTS:
        variant = BUILT / f"kernels-{VARIANTS[cpu_capability][0]}.so"
        if variant.is_file():
            return variant
    compiler = compiler_command()
    command = [*compiler, *FLAGS, "-march=native"]
    path = _cache_folder() / f"kernels-{_key(compiler, command)}.so"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            built = Path(folder) / path.name
            print(f"lmf-sr: compiling its kernels for this CPU, once, into {path}", file=sys.stderr, flush=True)
            compile_library(command, built)
            built.replace(path)
    return path


def compile_variants(folder: Path) -> list[Path]:
    """Builds the variants of a wheel in a folder. Raises Unavailable as `library_path` does."""
    paths = []
    for name, march in VARIANTS.values():
        paths.append(folder / f"kernels-{name}.so")
        compile_library([*compiler_command(), *FLAGS, f"-march={march}"], paths[-1])
    return paths


def compile_library(command: list[str], path: Path) -> None:
    """Builds the library with a compiler and its flags."""
    run([*command, *map(str, sorted(SOURCES.glob("*.c"))), "-lm", "-o", str(path)])


def compiler_command() -> list[str]:
    """The C compiler that the user chose by CC, with its options, or the system's."""
    return shlex.split(os.environ.get("CC") or "cc")


def run(command: list[str]) -> bytes:
    """Runs the compiler and returns its output. Raises Unavailable if there is none or it fails."""
    try:
        return subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S).stdout
    except FileNotFoundError:
        raise Unavailable(f"there is no C compiler {command[0]!r}") from None
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"the C compiler failed: {error.stderr.decode(errors='replace').strip()}") from error
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the C compiler took more than {TIMEOUT_S} s") from None


def _key(compiler: list[str], command: list[str]) -> str:
    target = run([*compiler, "-march=native", "-dM", "-E", "-x", "c", os.devnull])  # names compiler and CPU
    sources = [file.read_bytes() for file in sorted(SOURCES.glob("*.[ch]"))]
    return hashlib.sha256(b"\0".join([*sources, shlex.join(command).encode(), target])).hexdigest()[:32]


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lmf-sr"
