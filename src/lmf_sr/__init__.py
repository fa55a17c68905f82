"""Arbitrary-scale super-resolution with Latent Modulated Functions.

>>> import lmf_sr
>>> model = lmf_sr.build(encoder="edsr-baseline", decoder="lm-liif")

`lmf_sr.upscale("photo.jpg", scale=3.3)` makes a picture larger.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lmf_sr.errors import InputError, InputWarning

if TYPE_CHECKING:
    from lmf_sr.building import build
    from lmf_sr.calibrating import calibrate
    from lmf_sr.checkpoints import load
    from lmf_sr.cmsr.table import Scale2Mod
    from lmf_sr.evaluating import evaluate
    from lmf_sr.model import ContinuousImage, Model
    from lmf_sr.upscaling.api import upscale

__all__ = [
    "ContinuousImage",
    "InputError",
    "InputWarning",
    "Model",
    "Scale2Mod",
    "__version__",
    "build",
    "calibrate",
    "evaluate",
    "load",
    "upscale",
]

_HOMES = {
    "ContinuousImage": "model",
    "Model": "model",
    "Scale2Mod": "cmsr.table",
    "build": "building",
    "calibrate": "calibrating",
    "evaluate": "evaluating",
    "load": "checkpoints",
    "upscale": "upscaling.api",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that `lmf-sr --help` need not wait for PyTorch."""
    if name == "__version__":
        return version("lmf-sr")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lmf_sr.{_HOMES[name]}"), name)
