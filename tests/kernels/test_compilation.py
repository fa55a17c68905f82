"""The compiled library: built once, whole, by any number of processes; and what is said where it cannot be."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import lmf_sr
from lmf_sr.kernels import bindings, compilation

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, and a process that has not looked for the library yet."""
    if reason := bindings.why_not_compiled():
        pytest.skip(f"SKIPPED FOR LACK OF A COMPILER: {reason}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bindings._library_or_reason.cache_clear()
    yield tmp_path / "lmf-sr"
    bindings._library_or_reason.cache_clear()


def test_many_processes_build_it_at_once(cache: Path) -> None:
    processes = [FORK.Process(target=compilation.library_path) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    (built,) = cache.iterdir()
    assert built == compilation.library_path()
    assert bindings.why_not_compiled() is None


def test_it_is_built_once_and_says_so(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    built = compilation.library_path()
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", f"lmf-sr: compiling its kernels for this CPU, once, into {built}\n")
    before = built.stat()
    assert compilation.library_path().stat() == before
    assert capfd.readouterr().err == ""


def test_its_name_follows_from_the_sources_the_command_and_the_compiler(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = compilation._key(["cc"], ["cc", *compilation.FLAGS])
    assert compilation._key(["cc"], ["cc", *compilation.FLAGS, "-DNDEBUG"]) != key
    assert compilation._key(["cc", "-mtune=generic", "-DOTHER"], ["cc", *compilation.FLAGS]) != key
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    for file in compilation.SOURCES.glob("*.[ch]"):
        (kernels / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(compilation, "SOURCES", kernels)
    assert compilation._key(["cc"], ["cc", *compilation.FLAGS]) == key
    (kernels / "vectors.h").write_bytes((kernels / "vectors.h").read_bytes() + b"\n")
    assert compilation._key(["cc"], ["cc", *compilation.FLAGS]) != key


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
    pixels = image.render(13, 14)
    assert image.renderer().name == "blocked"
    assert image.renderer().form.startswith("PyTorch: ")
    assert reason in image.renderer().form
    assert reason in (bindings.why_not_compiled() or "")
    torch.testing.assert_close(pixels, image.render(13, 14, renderer="direct"), atol=2e-5, rtol=0)
