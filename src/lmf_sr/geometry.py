"""Coordinates, cells, corners and ensemble weights: the geometry every method shares.

Pixel `i` of `n` along an axis sits at `-1 + (2i + 1) / n`; points are (row, column) in [-1, 1]. A query at `p` is decoded
by the four latents around it. Along one axis of `n` latents these are, for t = -1 and +1, the latent `v_t` nearest to

    p + t * offset + 1e-6,     offset = 1/n (half the distance between latents), clamped to [-1 + 1e-6, 1 - 1e-6],

and `rel_t = (p - v_t) * n`, so that neighbouring latents are 2 apart. The 1e-6 settles ties. On axes of more than 48 latents
it is smaller, because there it would also move pixels that are no ties (`tie_margin`). With that offset the two latents are
adjacent, or both the outermost one, so one rounding finds both. Rounding each separately in float32 could skip the latent
that a pixel is centred on. The local ensemble weighs a corner by the area of the rectangle to the *opposite* corner (Chen et
al., LIIF, CVPR 2021, section 3.2). That is bilinear interpolation, which is separable: the weight along one axis is

    w_t = |rel_{-t}| / (|rel_-| + |rel_+|),     1/2 each where both corners are the same latent.

Everything about a regular output grid therefore follows from its rows and its columns separately (`Grid`), which is
computed in float64: at 30 000 pixels float32 has only some 500 steps between neighbouring coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from lmf_sr.errors import InputError

EPS = 1e-6  # ties between two latents go to the later one, as in LIIF's code
TRAINING_SIDE = 48  # latents of a training patch
WITHOUT_FLOAT64 = {"mps"}  # kinds of device
TRAINING_SCALE = 4.0  # the largest scale seen in training; cells do not shrink below its cell

Size = tuple[int, int]
"""Height and width, in pixels or in LR positions."""

Region = tuple[float, float, float, float]
"""A window of the image plane: (top, left, height, width) as fractions of the image."""


def pixel_centers(n: int, start: float = 0.0, extent: float = 1.0) -> Float[Tensor, " n"]:
    """Centres of `n` pixels that cover the fraction [start, start + extent] of an axis, in [-1, 1] coordinates, float64.

    >>> pixel_centers(4).tolist()
    [-0.75, -0.25, 0.25, 0.75]
    >>> pixel_centers(2, start=0.5, extent=0.5).tolist()
    [0.25, 0.75]
    """
    return -1 + 2 * start + (2 * torch.arange(n, dtype=torch.float64) + 1) * (extent / n)


def coordinates_on(p: Float[Tensor, "*N"], device: torch.device) -> Float[Tensor, "*N"]:
    """Coordinates on a device, in float32 if the device has no float64."""
    return p.to(device, torch.float32 if device.type in WITHOUT_FLOAT64 else p.dtype)


def relative_cell(cell: Float[Tensor, "*N 2"], lr_size: tuple[int, ...]) -> Float[Tensor, "*N 2"]:
    """The cell in units of which LR pixels are 2 apart: `cell * (h, w)`. At scale s it is (2/s, 2/s).

    >>> relative_cell(torch.tensor([2 / 6, 2 / 8]), lr_size=(3, 4)).tolist()  # 3 x 4 pixels become 6 x 8
    [1.0, 1.0]
    """
    return cell * lengths(lr_size, cell)


def lengths(lr_size: tuple[int, ...], like: Tensor) -> Float[Tensor, " n"]:
    """The lengths of the axes as a tensor of the kind of `like`, made so that an exported graph takes any."""
    return torch.stack([torch.full((), n, dtype=like.dtype, device=like.device) for n in lr_size])


def numbers_like(numbers: Any, like: Tensor) -> Tensor:
    """Numbers as a tensor of the type of `like` and on its device, which is not waited for."""
    return torch.tensor(numbers, dtype=like.dtype).to(like.device, non_blocking=True)


def clip_cell(cell: Float[Tensor, "*N 2"], lr_size: tuple[int, ...]) -> Float[Tensor, "*N 2"]:
    """The cell that a model is shown at test time, which is never smaller than that of the largest training scale.

    With the scale `s = sqrt(HW / hw)`, the cell is multiplied by `max(s / 4, 1)`, keeping its aspect.

    >>> cell = torch.tensor([2 / 24, 2 / 32])  # 3 x 4 pixels become 24 x 32: scale 8
    >>> clip_cell(cell, lr_size=(3, 4)) / cell
    tensor([2., 2.])
    """
    h, w = lr_size
    scale = (4 / (cell.prod(-1, keepdim=True) * h * w)).sqrt()
    return cell * (scale / TRAINING_SCALE).clamp(min=1)


class Corners(NamedTuple):
    """The two latents around each point along one axis, in the order t = -1, +1."""

    at: Int[Tensor, "*N 2"]  # index of the latent
    rel: Float[Tensor, "*N 2"]
    weight: Float[Tensor, "*N 2"]


def axis_corners(p: Float[Tensor, "*N"], n: int | Tensor, offset: float | Float[Tensor, "*M"] | None = None) -> Corners:
    """The corners of points `p` on an axis of `n` latents.

    Args:
        p: coordinates in [-1, 1].
        n: number of latents along the axis.
        offset: distance at which the two latents are looked for; `1/n` unless given (CiaoSR has its own).

    >>> corners = axis_corners(torch.tensor([-1.0, 0.0, 0.3]), n=4)  # latents at -0.75, -0.25, 0.25 and 0.75
    >>> corners.at  # at the border both are the outermost latent
    tensor([[0, 0],
            [1, 2],
            [2, 3]])
    >>> corners.weight
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000],
            [0.9000, 0.1000]])
    """
    n = latent_count(n, p)
    if offset is None:
        before = (_position(p, n) + tie_margin(n) * n / 2).floor()
        index = torch.stack([before, before + 1], dim=-1).clamp(min=0).clamp(max=n - 1)
    else:
        around = torch.stack([p - offset, p + offset], dim=-1) + tie_margin(n)
        index = _nearest(around.clamp(-1 + EPS, 1 - EPS), n)
    center = index * (2 / n) + (1 / n - 1)
    rel = (p.unsqueeze(-1) - center) * n
    opposite = rel.abs().flip(-1)
    total = opposite.sum(-1, keepdim=True)
    weight = torch.where(total > 0, opposite / total, 0.5)
    return Corners(index.long(), rel, weight)


def latent_count(n: int | Tensor, points: Tensor) -> int | Tensor:
    """The length of an axis; as a float64 tensor while a graph is exported, which would round quotients of integers.

    Where `torch.jit` traces, a size is a tensor on the CPU. It moves to the points, because `clamp` takes no bound on
    another device.
    """
    if isinstance(n, Tensor):
        return n.to(points.device)
    return torch.full((), n, dtype=torch.float64, device=points.device) if torch.compiler.is_compiling() else n


def tie_margin(n: int | Tensor) -> float | Tensor:
    """The distance before a tie at which a point already goes to the later latent.

    It is at most 2.4e-5 of the distance between latents, as 1e-6 is in training. So a window of a picture, in its own
    coordinates, finds the latents of the whole.
    """
    share = TRAINING_SIDE / n
    return EPS * (share.clamp(max=1.0) if isinstance(share, Tensor) else min(1.0, share))


def _nearest(p: Float[Tensor, "*N"], n: int | Tensor) -> Float[Tensor, "*N"]:
    return _position(p, n).round().clamp(min=0).clamp(max=n - 1)


def _position(p: Float[Tensor, "*N"], n: int | Tensor) -> Float[Tensor, "*N"]:
    """The positions of points among `n` latents, counted in latents."""
    return ((p + 1) * n - 1) / 2


def nearest(coords: Float[Tensor, "*N 2"], lr_size: tuple[int, ...]) -> Int[Tensor, "*N"]:
    """The latent nearest to each point, as a flat position `row * w + column`.

    >>> nearest(torch.tensor([0.6, -0.6]), lr_size=(4, 4))  # row 3, column 0
    tensor(12)
    """
    h, w = (latent_count(n, coords) for n in lr_size)
    return (_nearest(coords[..., 0], h) * w + _nearest(coords[..., 1], w)).long()


class FourCorners(NamedTuple):
    """The four latents around each query, in the order (-,-), (-,+), (+,-), (+,+); first sign = row; or the nearest one."""

    at: Int[Tensor, "B Q t"]  # row * w + column
    rel: Float[Tensor, "B Q t 2"]
    weight: Float[Tensor, "B Q t"]


def four_corners(
    coords: Float[Tensor, "B Q 2"], lr_size: tuple[int, ...], offset: Float[Tensor, "B 2"] | None = None
) -> FourCorners:
    """The corners of each query, with their relative coordinates and ensemble weights.

    >>> corners = four_corners(torch.tensor([[[0.0, 0.5]]]), lr_size=(4, 4))  # between rows 1 and 2, columns 2 and 3
    >>> corners.at.tolist(), corners.weight.tolist()
    ([[[6, 7, 10, 11]]], [[[0.25, 0.25, 0.25, 0.25]]])
    """
    h, w = lr_size
    row_offset, col_offset = (None, None) if offset is None else offset.unsqueeze(1).unbind(-1)
    rows = axis_corners(coords[..., 0], h, row_offset)
    cols = axis_corners(coords[..., 1], w, col_offset)
    first, second = (0, 0, 1, 1), (0, 1, 0, 1)
    return FourCorners(
        at=rows.at[..., first] * w + cols.at[..., second],
        rel=torch.stack([rows.rel[..., first], cols.rel[..., second]], dim=-1),
        weight=rows.weight[..., first] * cols.weight[..., second],
    )


def nearest_corner(coords: Float[Tensor, "B Q 2"], lr_size: tuple[int, ...]) -> FourCorners:
    """The nearest latent of each query in place of its four corners: no local ensemble. A tie goes to the later latent."""
    h, w = (latent_count(n, coords) for n in lr_size)
    rows, cols = (_nearest(p + tie_margin(n), n) for p, n in ((coords[..., 0], h), (coords[..., 1], w)))
    centers = torch.stack([rows * (2 / h) + (1 / h - 1), cols * (2 / w) + (1 / w - 1)], dim=-1)
    rel = (coords - centers) * lengths(lr_size, coords)
    at = (rows * w + cols).long()
    return FourCorners(at.unsqueeze(-1), rel.unsqueeze(-2), torch.ones_like(rel[..., :1]))


def gather(latents: Float[Tensor, "B h w C"], index: Int[Tensor, "B *Q"]) -> Float[Tensor, "B *Q C"]:
    """The latents at flat positions `row * w + column`."""
    B, h, w, C = latents.shape
    first = torch.arange(B, device=index.device).view(B, *[1] * (index.ndim - 1)) * (h * w)
    return F.embedding(index + first, latents.reshape(B * h * w, C))


def ensemble(values: Float[Tensor, "B Q t C"], weight: Float[Tensor, "B Q t"]) -> Float[Tensor, "B Q C"]:
    """The local ensemble: the weighted sum over the corners."""
    return (values * weight.unsqueeze(-1)).sum(-2)


def sample_bilinear(image: Float[Tensor, "B C h w"], coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q C"]:
    """The image read bilinearly at points, clamped at the border: the LR skip of LTE, CiaoSR and their conversions.

    Computed in the precision of the coordinates: float32 misplaces the pixels of a large grid.
    """
    padding = "border"
    if image.device.type in WITHOUT_FLOAT64:  # nor, before PyTorch 2.13, has it this padding
        outermost = 1 - 1 / lengths(image.shape[-2:], coords)
        coords, padding = coords.clamp(-outermost, outermost), "zeros"
    grid = coords.flip(-1).unsqueeze(1)  # grid_sample wants (x, y)
    values = F.grid_sample(image.to(coords.dtype), grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return values.squeeze(2).transpose(1, 2).to(image.dtype)


@dataclass(frozen=True)
class Grid:
    """A regular grid of output pixels: the coordinates of its rows and columns, and the size of a pixel."""

    rows: Float[Tensor, " H"]
    cols: Float[Tensor, " W"]
    cell: tuple[float, float]

    @classmethod
    def over(cls, height: int, width: int, region: Region = (0.0, 0.0, 1.0, 1.0)) -> Grid:
        """`height` x `width` pixels over a window of the image plane.

        Raises:
            InputError: a size below 1, or a region of no extent.

        >>> middle = Grid.over(4, 6, region=(0.25, 0.25, 0.5, 0.5))
        >>> middle.rows.tolist(), middle.cell
        ([-0.375, -0.125, 0.125, 0.375], (0.25, 0.16666666666666666))
        """
        top, left, extent_h, extent_w = region
        if height < 1 or width < 1:
            raise InputError(f"cannot render {height} x {width} pixels: height and width must be at least 1")
        if not (extent_h > 0 and extent_w > 0):
            raise InputError(f"region {region} is empty: it is (top, left, height, width) in fractions of the image")
        return cls(
            pixel_centers(height, top, extent_h),
            pixel_centers(width, left, extent_w),
            (2 * extent_h / height, 2 * extent_w / width),
        )

    @property
    def size(self) -> tuple[int, int]:
        return len(self.rows), len(self.cols)

    def band(self, start: int, stop: int) -> Grid:
        """The rows from `start` up to `stop`."""
        return replace(self, rows=self.rows[start:stop])

    def coords(self, device: torch.device | str | None = None) -> Float[Tensor, "HW 2"]:
        """All points in row-major order."""
        return torch.cartesian_prod(self.rows.to(device), self.cols.to(device)).view(-1, 2)
