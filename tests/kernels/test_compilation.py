"""The compiled library: built once, whole, by any number of processes; and what is said where it cannot be."""

import multiprocessing
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import lmf_sr
from lmf_sr.kernels import bindings, compilation
from lmf_sr.model import Model

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
    processes = [FORK.Process(target=compilation.library_path, args=("DEFAULT",)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    (built,) = cache.iterdir()
    assert built == compilation.library_path("DEFAULT")
    assert bindings.why_not_compiled() is None


def test_it_is_built_once_and_says_so(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    built = compilation.library_path("DEFAULT")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", f"lmf-sr: compiling its kernels for this CPU, once, into {built}\n")
    before = built.stat()
    assert compilation.library_path("DEFAULT").stat() == before
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


# The variants of a wheel


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the build of a wheel makes `kernels/built`."""
    if platform.machine() != "x86_64":
        pytest.skip("SKIPPED: the variants are for x86-64")
    folder = tmp_path_factory.mktemp("built")
    try:
        compilation.compile_variants(folder)
    except compilation.Unavailable as reason:
        pytest.skip(f"SKIPPED FOR LACK OF A COMPILER: {reason}")
    return folder


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return lmf_sr.build({"name": "rlfn", "n_blocks": 1}, "lm-lte").eval()


@pytest.mark.parametrize(("capability", "variant"), [("AVX512", "avx512"), ("AVX2", "avx2")])
def test_a_wheel_brings_what_the_cpu_needs(
    cache: Path, built: Path, model: Model, monkeypatch: pytest.MonkeyPatch, capability: str, variant: str
) -> None:
    """Without a compiler, each variant that the CPU can run encodes and renders what PyTorch does."""
    offers = {"AVX512": ("AVX512", "AVX2"), "AVX2": ("AVX2",)}
    if capability not in offers.get(torch.backends.cpu.get_cpu_capability(), ()):
        pytest.skip(f"SKIPPED: this CPU has no {capability}")
    monkeypatch.setattr(compilation, "BUILT", built)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setenv("CC", "no-such-compiler")
    assert bindings.compiled_from() == built / f"kernels-{variant}.so"
    assert not cache.exists()
    lr = torch.rand(1, 3, 11, 70, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(model.features(lr), model.encoder(lr), atol=5e-6, rtol=0)
    image = model.encode(lr / 2 + 0.5)
    assert image.renderer().form == "compiled, from the features on"
    torch.testing.assert_close(image.render(29, 175), image.render(29, 175, renderer="direct"), atol=2e-5, rtol=0)


def test_on_other_cpus_a_wheel_is_as_the_sources(built: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "BUILT", built)
    assert compilation.library_path("DEFAULT").parent == cache
