"""Bilinear upsampling between grids, by which CMSR brings a level that is coarser than the target to the target.

On a CPU with a compiler it runs in `kernels/upsample.c`, because PyTorch takes several times as long.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.geometry import Grid
from lmf_sr.kernels import bindings
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.rendering.cpu import grid_axis, grid_pixels
from lmf_sr.rendering.pixel_axes import Axis, LerpAxis, PixelMask
from lmf_sr.rendering.value_range import NORMALISED, ValueRange


def upsample(
    picture: Float[Tensor, "B C h w"],
    source: Grid,
    target: Grid,
    out: Float[Tensor, "B C H W"],
    needed: PixelMask | None = None,
    values: ValueRange = NORMALISED,
) -> None:
    """Reads a picture on the grid `source` bilinearly at the pixels of `target`, clamped at the border of `source`.

    Args:
        out: takes the pixels; contiguous along a row.
        needed: the pixels of `target` to write, the others being left as they are; None for all.
        values: the range in which they are written.
    """
    rows = Axis(_relative_to(source.rows, source.cell[0], target.rows), len(source.rows))
    cols = Axis(_relative_to(source.cols, source.cell[1], target.cols), len(source.cols))
    if picture.device.type == "cpu" and picture.dtype == torch.float32 and why_not_compiled() is None:
        pixels = grid_pixels(*((rows, cols) if needed is None else needed.axes), needed)
        bindings.upsample(picture, grid_axis(rows), grid_axis(cols), pixels, out, written=values)
    else:
        rgb = values.apply_(between_pixels(between_pixels(picture, rows.lr, axis=-2), cols.lr, axis=-1))
        # All pixels are made, because counting the needed ones would make a GPU wait.
        out.copy_(rgb if needed is None else torch.where(needed.pixels()[:, None], rgb, out))


def between_pixels(picture: Float[Tensor, "B C h w"], at: LerpAxis, axis: int) -> Float[Tensor, "B C H W"]:
    """Reads a picture between its rows, or between its columns."""
    pixels = (pixel.to(picture.device, non_blocking=True) for pixel in (at.low, at.high))
    low, high = (picture.index_select(axis, pixel) for pixel in pixels)
    share = at.share.to(picture, non_blocking=True)
    return low.lerp_(high, share[:, None] if axis == -2 else share)


def _relative_to(axis: Float[Tensor, " n"], cell: float, p: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Coordinates `p` of the image plane, in a frame in which the pixels `axis`, of size `cell`, cover [-1, 1]."""
    begin, end = float(axis[0]) - cell / 2, float(axis[-1]) + cell / 2
    return (2 * p - begin - end) / (end - begin)
