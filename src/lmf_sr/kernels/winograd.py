"""Convolutions as the kernels are told of them: `winograd.h`."""

from __future__ import annotations

from ctypes import Structure, c_int64, c_void_p

import torch
from jaxtyping import Float
from torch import Tensor

LANES = 16  # numbers of channels are multiples of it
G = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))  # of F(2x2, 3x3)


class CPicture(Structure):
    _fields_ = [
        ("data", c_void_p),
        *((name, c_int64) for name in ("image_size", "channel_size", "line_size", "position_size", "height", "width")),
    ]

    @classmethod
    def of(cls, x: Float[Tensor, "B C h w"]) -> CPicture:
        """In any layout. The tensor is to be kept as long as C reads it."""
        return cls(x.data_ptr(), *x.stride(), *x.shape[2:])


class CLinear(Structure):
    _fields_ = [("weight", c_void_p), ("bias", c_void_p), ("in", c_int64), ("out", c_int64)]

    @classmethod
    def of(cls, weight: Float[Tensor, "*points i o"], bias: Float[Tensor, "*B o"]) -> CLinear:
        """Both contiguous, and to be kept as long as C reads them."""
        return cls(weight.data_ptr(), bias.data_ptr(), *weight.shape[-2:])


def transformed(kernel: Float[Tensor, "o i 3 3"]) -> Float[Tensor, "16 i o"]:
    """G k G^T of each input's and output's 3x3 kernel k, for all of them in one product."""
    transform = kernel.new_tensor(G)
    points = torch.kron(transform, transform) @ kernel.permute(2, 3, 1, 0).flatten(0, 1).flatten(1)
    return points.unflatten(1, (-1, len(kernel)))
