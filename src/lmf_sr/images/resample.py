"""Antialiased bicubic resampling, by the two rules the field uses.

Pillow's rule makes the training pairs. MATLAB's `imresize` made the LR images of the benchmark sets, and is the bicubic
baseline.
Along one axis, output pixel i of a resize by s (both counted from 0) is

    y_i = sum_j w_ij x_j,     w_ij ~ k(s' (u_i - j)),     u_i = (i + 1/2) / s - 1/2,     s' = min(s, 1),     sum_j w_ij = 1

with Keys' cubic kernel k, a = -1/2 (R. Keys, "Cubic convolution interpolation for digital image processing", 1981).
When shrinking, s' widens the kernel to the spacing of the output: that is the antialiasing. The rules differ at the
border, where MATLAB mirrors the image (the border pixel twice) and Pillow cuts the kernel off, and in rounding.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from PIL import Image
from torch import Tensor

from lmf_sr.errors import InputError


def resize_pillow(image: UInt8[Tensor, "3 h w"], height: int, width: int) -> UInt8[Tensor, "3 H W"]:
    """Pillow's own 8-bit bicubic: the rule that makes training pairs, and LR images of scales that no benchmark ships."""
    _check_size(height, width)
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    resized = picture.resize((width, height), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()


def imresize(image: Shaped[Tensor, "*B h w"], height: int, width: int) -> Shaped[Tensor, "*B H W"]:
    """MATLAB's `imresize(image, [height width])`: bicubic with antialiasing, any number of leading axes.

    Float tensors are neither rounded nor clamped. On uint8 tensors each of the two passes rounds to nearest and
    saturates, as in MATLAB.
    """
    _check_size(height, width)
    quantised = image.dtype == torch.uint8
    out, sides = image.double() if quantised else image, {-2: height, -1: width}
    # The axis that shrinks most goes first, rows if equal. A whole picture takes a fifth of the time by matrices.
    for axis in sorted(sides, key=lambda axis: sides[axis] / image.shape[axis]):
        weights = bicubic_weights(image.shape[axis], sides[axis]).to(out)
        out = weights @ out if axis == -2 else out @ weights.T
        if quantised:
            out = (out + 0.5).floor().clamp(0, 255)
    return out.to(image.dtype)


def imresize_rows(image: Float[Tensor, "*B h w"], height: int, width: int, rows: slice) -> Float[Tensor, "*B n W"]:
    """Some rows of `imresize(image, height, width)`, at the cost of these alone."""
    return _resize_axis(_resize_axis(image, -2, height, rows), -1, width)


def _resize_axis(image: Tensor, axis: int, length: int, part: slice = slice(None)) -> Tensor:
    """The image with `length` pixels along one axis, or a part of them, at the cost of these alone."""
    taps, weights = (x[part] for x in bicubic_taps(image.shape[axis], length))
    shape = (-1, 1) if axis == -2 else (-1,)
    terms = (image.index_select(axis, t) * w.view(shape).to(image) for t, w in zip(taps.T, weights.T, strict=True))
    return sum(terms, start=image.new_zeros(()))


def bicubic_weights(length: int, out_length: int) -> Float[Tensor, "out_length length"]:
    """The matrix (w_ij) of MATLAB's resize of one axis, float64."""
    taps, weights = bicubic_taps(length, out_length)
    return torch.zeros(out_length, length, dtype=torch.float64).scatter_add_(1, taps, weights)


def bicubic_taps(length: int, out_length: int) -> tuple[Int[Tensor, "out_length k"], Float[Tensor, "out_length k"]]:
    """The pixels that each output pixel of MATLAB's resize of one axis is made of, and their weights w_ij, float64.

    Pixels beyond the border are mirrored.
    """
    scale = out_length / length
    shrink = min(scale, 1.0)
    radius = 2 / shrink
    centres = (torch.arange(out_length, dtype=torch.float64) + 0.5) / scale - 0.5
    first = (centres - radius).floor().long()
    taps = first[:, None] + torch.arange(math.ceil(2 * radius) + 2)
    values = _cubic(shrink * (centres[:, None] - taps))
    mirrored = taps.remainder(2 * length)
    mirrored = torch.where(mirrored < length, mirrored, 2 * length - 1 - mirrored)
    return mirrored, values / values.sum(1, keepdim=True)


def pillow_weights(
    lengths: Int[Tensor, " B"], out_lengths: Int[Tensor, " B"], longest: int, longest_out: int
) -> Float[Tensor, "B longest_out longest"]:
    """The matrices (w_ij) of Pillow's resizes of axes of different lengths, float64, on the device of the lengths.

    Each is filled up with zeros to `longest_out` x `longest`.
    """
    n, m = (sides.double()[:, None, None] for sides in (lengths, out_lengths))
    i, j = (torch.arange(side, dtype=torch.float64, device=n.device) for side in (longest_out, longest))
    centres = (i[:, None] + 0.5) * (n / m) - 0.5
    values = _cubic((j - centres) / (n / m).clamp(min=1)) * (j < n)
    return torch.where(i[:, None] < m, values / values.sum(2, keepdim=True), 0.0)


def _cubic(x: Tensor) -> Tensor:
    """Keys' kernel with a = -1/2; zero beyond |x| = 2."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, 0.0))


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise InputError(f"cannot resize to {height}x{width} (height x width): both sides must be at least 1")
