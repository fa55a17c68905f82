"""Arbitrary-scale super-resolution with Latent Modulated Functions.

>>> import lmf_sr
>>> model = lmf_sr.build(encoder="edsr-baseline", decoder="lm-liif")
"""

import os

# Large tensors on huge pages, where Linux has them: page faults took a tenth of a rendering's time, and more of a training
# step's. PyTorch looks when it first makes a tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

from lmf_sr.build import build
from lmf_sr.checkpoints import load
from lmf_sr.model import ContinuousImage

__all__ = ["ContinuousImage", "build", "load"]
