"""Arbitrary-scale super-resolution with Latent Modulated Functions.

>>> import lmf_sr
>>> model = lmf_sr.build(encoder="edsr-baseline", decoder="lm-liif")
"""

from lmf_sr.build import build
from lmf_sr.checkpoints import load
from lmf_sr.memory import keep_freed_memory
from lmf_sr.model import ContinuousImage

__all__ = ["ContinuousImage", "build", "load"]

keep_freed_memory()
