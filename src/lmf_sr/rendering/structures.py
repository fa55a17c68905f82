"""A grid's pixels, and what is written for them, as the kernels are told of them: `kernels/grid.h`."""

from __future__ import annotations

from ctypes import Structure, c_double, c_float, c_int64, c_void_p

import torch
from torch import Tensor

from lmf_sr.geometry import tie
from lmf_sr.rendering.axes import Axis, Chosen
from lmf_sr.rendering.values import Values


class CAxis(Structure):
    _fields_ = [("at", c_void_p), *((name, c_int64) for name in ("pixels", "latents", "first")), ("tie", c_double)]

    @classmethod
    def of(cls, axis: Axis, held: list[Tensor]) -> CAxis:
        """`held` gets what C points into, to be kept as long as C reads it."""
        at = pointer(axis.at, torch.float64, held)
        return cls(at, len(axis.at), axis.n, axis.first, tie(axis.n) * axis.n / 2)


class CChosen(Structure):
    _fields_ = [("latents", c_void_p), ("rows", CAxis), ("cols", CAxis), ("around", c_int64)]

    @classmethod
    def of(cls, chosen: Chosen | None, rows: Axis, cols: Axis, held: list[Tensor]) -> CChosen:
        """As `CAxis.of`; rows and columns are those of the grid. All pixels are, if none are given."""
        latents = None if chosen is None else pointer(chosen.latents, torch.bool, held)
        return cls(latents, CAxis.of(rows, held), CAxis.of(cols, held), chosen is not None and chosen.around)


class CValues(Structure):
    _fields_ = [(name, c_float) for name in Values._fields]


def pointer(values: Tensor, dtype: torch.dtype, held: list[Tensor]) -> int:
    """The address of the values, as a type that C knows; `held` gets what it points into."""
    held.append(values.to(dtype).contiguous())
    return held[-1].data_ptr()
