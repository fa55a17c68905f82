"""Devices that are not here: Apple's GPUs, which have no float64, and Windows, which has no `fcntl`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import lmf_sr
from lmf_sr import geometry
from lmf_sr.building import choices
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError
from lmf_sr.model import Model

POSIX_ONLY = (
    "fcntl",
    "resource",
    "grp",
    "pwd",
    "termios",
    "pty",
    "tty",
    "syslog",
    "readline",
    "posix_ipc",
    "_posixshmem",
)


class _RefusesFloat64(TorchDispatchMode):
    """Fails, as an Apple GPU would, where an operator is given or makes numbers in float64."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in (*args, result):
            assert not (isinstance(value, torch.Tensor) and value.dtype == torch.float64), f"{func} in float64"
        return result


@contextmanager
def without_float64(model: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A decoder's computations from coordinates are refused in float64; the coordinates themselves are made on the CPU."""
    query, sample = model.decoder.query, geometry.sample_bilinear

    def refusing(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            with _RefusesFloat64():
                return function(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(geometry, "WITHOUT_FLOAT64", {"cpu"})
        patch.setattr(model.decoder, "query", refusing(query))
        for module in (lmf_sr.model, lmf_sr.rendering.direct):
            patch.setattr(module, "sample_bilinear", refusing(sample))
        yield


@pytest.mark.parametrize("decoder", choices("decoder"))
def test_the_direct_path_needs_no_float64(decoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = lmf_sr.build({"name": "edsr-tiny", "n_resblocks": 1, "n_feats": 8}, decoder).eval()
    picture, coords = torch.rand(3, 13, 10), torch.rand(1, 20, 2, dtype=torch.float64) * 2 - 1
    cell = torch.tensor([0.05, 0.07])
    image = model.encode(picture)
    expected, points = image.render(41, 33, renderer="direct"), image.sample(coords, cell)
    with without_float64(model, monkeypatch):
        image = model.encode(picture)
        assert (image.render(41, 33, renderer="direct") - expected).abs().max() < 1e-4
        assert (image.sample(coords, cell) - points).abs().max() < 1e-4


def test_auto_finds_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = []
    monkeypatch.setattr(torch, "zeros", lambda *_, device: devices.append(device) or torch.ones(1))
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=cuda: found)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda found=mps: found)
        device_named("auto")
        assert devices[-1] == expected


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is one here")
def test_a_missing_apple_gpu_is_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="device 'mps' is not available here"):
        device_named("mps")


@pytest.mark.parametrize("verb", ["upscale", "evaluate", "view", "export"])
def test_verbs_import_without_what_windows_lacks(verb: str) -> None:
    """The import runs in a process in which this project cannot import the modules that only POSIX systems have."""
    script = f"""
import builtins, importlib, sys
real = builtins.__import__
def without(name, globals=None, *arguments):
    if name.partition(".")[0] in {POSIX_ONLY} and (globals or {{}}).get("__name__", "").startswith("lmf_sr"):
        raise ImportError(f"No module named {{name!r}}")
    return real(name, globals, *arguments)
builtins.__import__ = without
from lmf_sr.commands.main import VERBS
if {verb!r} in VERBS:
    importlib.import_module(f"lmf_sr.commands.{{VERBS[{verb!r}].module}}")
    import lmf_sr.atomic
    assert lmf_sr.atomic.fcntl is None
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
