"""Arbitrary-scale super-resolution with Latent Modulated Functions.

>>> import lmf_sr
>>> model = lmf_sr.build(encoder="edsr-baseline", decoder="lm-liif")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmf_sr.building import build
    from lmf_sr.checkpoints import load
    from lmf_sr.model import ContinuousImage

__all__ = ["ContinuousImage", "build", "load"]


def __getattr__(name: str) -> Any:
    """Imported when first asked for: `lmf-sr --help` need not wait for PyTorch."""
    homes = {"build": "building", "load": "checkpoints", "ContinuousImage": "model"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lmf_sr.{homes[name]}"), name)
