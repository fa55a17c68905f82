"""The compiled library: built once, whole, by any number of processes; and what is said where it cannot be."""

import ctypes
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import lmf_sr
from lmf_sr.kernels import library

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, and a process that has not looked for the library yet."""
    if library.why_not_compiled():
        pytest.skip(f"SKIPPED FOR LACK OF A COMPILER: {library.why_not_compiled()}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library._library_or_reason.cache_clear()
    yield tmp_path / "lmf-sr"
    library._library_or_reason.cache_clear()


def test_many_processes_build_it_at_once(cache: Path) -> None:
    processes = [FORK.Process(target=library.library) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    (built,) = cache.iterdir()
    assert ctypes.CDLL(str(built)).lmf_latents


def test_it_is_built_once(cache: Path) -> None:
    library.library()
    (built,) = cache.iterdir()
    before = built.stat()
    library._library_or_reason.cache_clear()
    library.library()
    assert built.stat() == before


def test_its_name_follows_from_the_sources_the_command_and_the_compiler(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = library._key(["cc"], ["cc", *library.FLAGS])
    assert library._key(["cc"], ["cc", *library.FLAGS, "-DNDEBUG"]) != key
    assert library._key(["cc", "-mtune=generic", "-DOTHER"], ["cc", *library.FLAGS]) != key
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    for file in library.SOURCES.glob("*.[ch]"):
        (kernels / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(library, "SOURCES", kernels)
    assert library._key(["cc"], ["cc", *library.FLAGS]) == key
    (kernels / "vectors.h").write_bytes((kernels / "vectors.h").read_bytes() + b"\n")
    assert library._key(["cc"], ["cc", *library.FLAGS]) != key


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("CC", "no-such-compiler", "there is no C compiler 'no-such-compiler'"),
        ("CC", "false", "the C compiler failed"),
        ("XDG_CACHE_HOME", os.devnull, "cannot be kept and loaded"),
    ],
)
def test_without_it(cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str) -> None:
    """PyTorch encodes and renders, and the renderer says why."""
    torch.manual_seed(0)
    monkeypatch.setenv(name, value)
    image = lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 1}, "lm-liif").encode(torch.rand(3, 5, 6))
    found = image.render(13, 14)
    assert image.renderer().name == "blocked"
    assert image.renderer().form.startswith("PyTorch: ")
    assert reason in image.renderer().form
    with pytest.raises(library.Unavailable, match=reason):
        library.library()
    torch.testing.assert_close(found, image.render(13, 14, renderer="direct"), atol=2e-5, rtol=0)
