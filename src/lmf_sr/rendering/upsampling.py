"""Bilinear upsampling between grids: what CMSR makes of a level that is coarser than the target.

On the CPU by `kernels/upsample.c`, where there is a compiler: PyTorch takes several times as long.
"""

import ctypes
from ctypes import Structure, c_int64, c_void_p

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.geometry import Grid
from lmf_sr.kernels.library import library, why_not_compiled
from lmf_sr.rendering.axes import Axis, Between, Chosen
from lmf_sr.rendering.structures import CAxis, CChosen, CValues
from lmf_sr.rendering.values import NORMALISED, Values


def upsample(
    picture: Float[Tensor, "B C h w"],
    source: Grid,
    target: Grid,
    out: Float[Tensor, "B C H W"],
    needed: Chosen | None = None,
    values: Values = NORMALISED,
) -> None:
    """Reads a picture on the grid `source` bilinearly at the pixels of `target`, clamped at the border of `source`.

    Args:
        out: where to; contiguous along a row.
        needed: which pixels of `target`, the others being left as they are. All, if not given.
        values: what to write of the picture's.
    """
    rows = Axis(_relative_to(source.rows, source.cell[0], target.rows), len(source.rows))
    cols = Axis(_relative_to(source.cols, source.cell[1], target.cols), len(source.cols))
    if picture.device.type == "cpu" and picture.dtype == torch.float32 and why_not_compiled() is None:
        _compiled(picture, (rows, cols), needed, values, out)
    elif needed is None:
        lines = _along(picture, rows.lr, axis=-2)
        out.copy_(values.of(_along(lines, cols.lr, axis=-1)))
    else:
        image, row, col = needed.pixels().nonzero(as_tuple=True)
        (top, bottom, down), (left, right, across) = (
            (axis.low.to(at.device)[at], axis.high.to(at.device)[at], axis.share.to(picture)[at][:, None])
            for axis, at in ((rows.lr, row), (cols.lr, col))
        )
        low, high = (
            torch.lerp(picture[image, :, top, side], picture[image, :, bottom, side], down) for side in (left, right)
        )
        out[image, :, row, col] = values.of(low.lerp_(high, across)).to(out.dtype)


def _along(picture: Float[Tensor, "B C h w"], at: Between, axis: int) -> Float[Tensor, "B C H W"]:
    """A picture read between its rows, or its columns."""
    low, high = (picture.index_select(axis, pixel.to(picture.device)) for pixel in (at.low, at.high))
    share = at.share.to(picture)
    return low.lerp_(high, share[:, None] if axis == -2 else share)


class _Job(Structure):
    _fields_ = [
        ("picture", c_void_p),
        *((name, c_int64) for name in ("picture_image_size", "picture_plane_size", "picture_line_size")),
        ("rows", CAxis),
        ("cols", CAxis),
        ("pixels", CChosen),
        ("out", c_void_p),
        *((name, c_int64) for name in ("out_image_size", "out_plane_size", "out_line_size")),
        ("written", CValues),
        *((name, c_int64) for name in ("images", "planes", "threads")),
    ]


def _compiled(
    picture: Float[Tensor, "B C h w"],
    axes: tuple[Axis, Axis],
    needed: Chosen | None,
    values: Values,
    out: Float[Tensor, "B C H W"],
) -> None:
    held = [picture if picture.stride(-1) == 1 else picture.contiguous()]  # what C points into
    job = _Job(
        held[0].data_ptr(),
        *held[0].stride()[:3],
        *(CAxis.of(axis, held) for axis in axes),
        CChosen.of(needed, *(axes if needed is None else needed.axes), held),
        out.data_ptr(),
        *out.stride()[:3],
        CValues(*values),
        *out.shape[:2],
        torch.get_num_threads(),
    )
    if library().lmf_upsample(ctypes.byref(job)):
        raise MemoryError("no memory for the axes of the grid")


def _relative_to(axis: Float[Tensor, " n"], cell: float, p: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Coordinates `p` of the image plane, where the pixels `axis`, of size `cell`, alone cover [-1, 1]."""
    begin, end = float(axis[0]) - cell / 2, float(axis[-1]) + cell / 2
    return (2 * p - begin - end) / (end - begin)
