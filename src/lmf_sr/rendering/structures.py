"""A grid's pixels as the kernels are told of them: `kernels/grid.h`."""

from __future__ import annotations

from ctypes import Structure, c_int64, c_void_p

import torch
from torch import Tensor

from lmf_sr.rendering.axes import Between, Stretches


class CBetween(Structure):
    _fields_ = [("low", c_void_p), ("high", c_void_p), ("share_of_high", c_void_p)]

    @classmethod
    def of(cls, some: Between, held: list[Tensor]) -> CBetween:
        """`held` gets what C points into, to be kept as long as C reads it."""
        low, high = (pointer(x, torch.int32, held) for x in (some.low, some.high))
        return cls(low, high, pointer(some.share, torch.float32, held))


class CStretches(Structure):
    _fields_ = [*((name, c_void_p) for name in ("line", "first", "begin", "end")), ("lines", c_int64)]

    @classmethod
    def of(cls, some: Stretches, held: list[Tensor]) -> CStretches:
        """As `CBetween.of`."""
        return cls(*(pointer(x, torch.int32, held) for x in (some.line, some.first, some.begin, some.end)), some.lines)


def pointer(values: Tensor, dtype: torch.dtype, held: list[Tensor]) -> int:
    """The address of the values, as a type that C knows; `held` gets what it points into."""
    held.append(values.to(dtype).contiguous())
    return held[-1].data_ptr()
