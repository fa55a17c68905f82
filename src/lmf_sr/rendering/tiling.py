"""Large pictures are computed window by window, with the values of the whole picture, in memory that does not grow with it.

An LR position takes some KB of an encoder's activations, 256 bytes of features and up to 2 KB of a state, which adds up. But
each of these depends only on a neighbourhood:

    pixel  <--corners--  state of a window  <--decoder's halo--  features of a window  <--encoder's halo--  LR image

A window grows by the halo of the step that made it, and outward to multiples of that step's `tile_multiple`, but never over
the picture's border, because there, and only there, the zeros of the convolutions are those of the whole picture. The values
that a window's own edge gets wrong lie in its halo, which nothing reads. For the renderers the window is then the picture,
and the grid's coordinates are moved into its frame. The outermost latents that pixels read lie within it, so no corner is
clamped where the picture goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, inf
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.geometry import Grid, Size, axis_corners


class Window(NamedTuple):
    """LR rows `top` up to `bottom` and columns `left` up to `right`."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def whole(cls, size: Size) -> Window:
        return cls(0, size[0], 0, size[1])

    @classmethod
    def read_by(cls, grid: Grid, size: Size) -> Window:
        """The latents around the pixels of a grid."""
        ends = (axis_corners(p[[0, -1]], n).at for p, n in zip((grid.rows, grid.cols), size, strict=True))
        (top, bottom), (left, right) = ((int(at[0, 0]), int(at[-1, 1]) + 1) for at in ends)
        return cls(top, bottom, left, right)

    @property
    def size(self) -> Size:
        return self.bottom - self.top, self.right - self.left

    def grown(self, halo: int, multiple: int, size: Size) -> Window:
        """Grows the window by `halo` on each side, out to multiples of `multiple`, within a picture of `size`.

        A picture narrower than `multiple` is not divided.
        """
        if min(size) < multiple:
            return Window.whole(size)
        rows, cols = (
            (max(start - halo, 0) // multiple * multiple, min(ceil((stop + halo) / multiple) * multiple, n))
            for start, stop, n in zip(self[::2], self[1::2], size, strict=True)
        )
        return Window(*rows, *cols)

    def joined(self, other: Window) -> Window:
        """The smallest window that holds both."""
        return Window(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def crop(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C n m"]:
        """The part of a picture, or of its features, that lies in the window."""
        return x[..., self.top : self.bottom, self.left : self.right]

    def within(self, outer: Window) -> Window:
        """Counts the window from the corner of another."""
        return Window(self.top - outer.top, self.bottom - outer.top, self.left - outer.left, self.right - outer.left)

    def frame(self, grid: Grid, size: Size) -> Grid:
        """Moves a grid's pixels into the frame in which the window of a picture of `size` is the whole picture."""
        (h, w), (n, m) = size, self.size
        return Grid(
            _moved(grid.rows, h, self.top, n),
            _moved(grid.cols, w, self.left, m),
            (grid.cell[0] * h / n, grid.cell[1] * w / m),
        )


def _moved(p: Float[Tensor, " N"], n: int, first: int, count: int) -> Float[Tensor, " N"]:
    """Coordinates on an axis of `n` latents, counted on the `count` from `first`."""
    return p if count == n else ((p + 1) * n - 2 * first) / count - 1


def strips(
    grid: Grid, size: Size, most: int, reads: Callable[[Grid, Size], Window] = Window.read_by
) -> Iterator[tuple[slice, Window]]:
    """A grid's rows in strips, from top to bottom, each with the window of the latents that it reads.

    Args:
        grid: the rows of pixels.
        size: height and width of the LR picture, which is not divided if it has no more than `most` latents.
        most: about how many latents lie around the pixels of a strip.
        reads: gives the latents that the rows of a grid need, where they are more than those around its pixels.
    """
    h, w = size
    if h * w <= most:
        yield slice(0, len(grid.rows)), Window.whole(size)
        return
    read = Window.read_by(grid, size)
    lines = max(most // read.size[1], 1)
    first = axis_corners(grid.rows, h).at[:, 0] - read.top
    start = 0
    for count in torch.unique_consecutive(first // lines, return_counts=True)[1].tolist():
        rows = slice(start, start + count)
        yield rows, reads(grid.band(rows.start, rows.stop), size)
        start += count


def encode_window(
    encode: Callable[[Float[Tensor, "B 3 n m"]], Float[Tensor, "B C n m"]],
    lr: Float[Tensor, "B 3 h w"],
    window: Window,
    halo: int,
    multiple: int,
    most: int,
) -> Float[Tensor, "B C n m"]:
    """The features of a window, encoded in overlapping tiles, one after the other.

    Args:
        encode: the encoder.
        lr: the whole picture, normalised.
        window: any window of it.
        halo: the encoder's `receptive_halo`.
        multiple: its `tile_multiple`.
        most: positions of a tile, halo included.
    """
    size = lr.shape[-2], lr.shape[-1]
    features = None
    for tile in tiles(window, size, halo + multiple - 1, most):
        seen = tile.grown(halo, multiple, size)
        encoded = tile.within(seen).crop(encode(seen.crop(lr)))
        if tile == window:
            return encoded
        if features is None:
            features = encoded.new_empty(len(lr), encoded.shape[1], *window.size)
        tile.within(window).crop(features).copy_(encoded)
    assert features is not None
    return features


def tiles(window: Window, size: Size, margin: int, most: int) -> Iterator[Window]:
    """Divides a window into tiles that, with a margin, have at most `most` positions, or few more than the margin alone."""
    rows, cols = tile_shape(window.size, size, margin, most)
    for top in range(window.top, window.bottom, rows):
        for left in range(window.left, window.right, cols):
            yield Window(top, min(top + rows, window.bottom), left, min(left + cols, window.right))


def tile_shape(window: Size, size: Size, margin: int, most: int) -> Size:
    """The rows and columns of a tile, chosen so that tiles overlap least."""
    (n, m), (h, w) = window, size
    best, least = (max(margin, 1), max(margin, 1)), inf  # taken where nothing fits
    for down in range(1, n + 1):
        rows = ceil(n / down)
        seen_rows = min(rows + 2 * margin, h)
        room = most // seen_rows
        across = 1 if min(m + 2 * margin, w) <= room else ceil(m / max(room - 2 * margin, 1))
        cols = ceil(m / across)
        seen_cols = min(cols + 2 * margin, w)
        cost = down * seen_rows * across * seen_cols
        if seen_rows * seen_cols <= most and cost < least:
            best, least = (rows, cols), cost
    return best
