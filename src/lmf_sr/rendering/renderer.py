"""The contract of a renderer (`Renderer`), and the encoded picture that it renders (`Encoded`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.geometry import Grid, Size, clip_cell, numbers_like
from lmf_sr.rendering.budget import Budget
from lmf_sr.rendering.pixel_axes import PixelMask
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.tiling import Window
from lmf_sr.rendering.value_range import ValueRange

Band = tuple[slice, Float[Tensor, "B 3 n W"]]
"""Rows of a grid, and their pixels."""

RenderChosen = Callable[[Tensor, PixelMask, Tensor, ValueRange], None]
"""(cell, chosen, out, values): renders the chosen pixels of a grid into `out`, (B, 3, H, W), rows one after the other, and
leaves the others as they are. The render input gets this cell, (B, 2), whatever the state's is."""


class Prepared(NamedTuple):
    """The state of a whole picture for one clipped cell."""

    cell: Float[Tensor, "B #Q 2"]
    state: Any


class Encoded(NamedTuple):
    """An encoded picture.

    decoder: makes its states.
    lr: the whole LR picture, normalised.
    features: the features of `window`.
    window: the part of the picture that is going to be rendered, halo included.
    prepared: a state that was made in advance.
    """

    decoder: Decoder
    lr: Float[Tensor, "B 3 h w"]
    features: Float[Tensor, "B C n m"]
    window: Window
    prepared: Prepared | None = None

    @property
    def size(self) -> Size:
        """Height and width of the LR picture."""
        return self.lr.shape[-2], self.lr.shape[-1]

    def cell(self, grid: Grid) -> Float[Tensor, "B 1 2"]:
        """The cell that the decoder is shown for the pixels of a grid."""
        return clip_cell(numbers_like(grid.cell, self.lr).expand(len(self.lr), 1, 2), self.size)

    def features_in(self, window: Window) -> Float[Tensor, "B C n m"]:
        """The features of a window within `self.window`."""
        return window.within(self.window).crop(self.features)

    def prepared_state(self, cell: Float[Tensor, "B #Q 2"]) -> Any | None:
        """The state prepared in advance, if it is the one for this cell, up to rounding."""
        if self.prepared is None or self.prepared.cell.shape != cell.shape:
            return None
        return self.prepared.state if torch.allclose(self.prepared.cell, cell, rtol=1e-5, atol=0) else None

    def state(self, cell: Float[Tensor, "B #Q 2"]) -> Any:
        """The state of the whole picture for a clipped cell."""
        state = self.prepared_state(cell)
        return self.decoder.prepare_window(self.features, cell, self.size) if state is None else state


@runtime_checkable
class Renderer(Protocol):
    """A way to render a decoder's pixels on regular grids. All renderers give the same pixels.

    name: its name for users.
    decoder: the decoder whose pixels it renders.
    budget: bounds the memory that it takes at once.
    states_at_once: bytes of the states that `prepare` is to make at once.
    """

    name: str
    decoder: Any
    budget: Budget
    states_at_once: int

    @property
    def form(self) -> str:
        """A description for people of how it runs here."""

    @staticmethod
    def supports(decoder: Decoder, features: Float[Tensor, "B C h w"]) -> bool:
        """Whether it can render this decoder's pixels from features of this type on this device."""

    def bands(
        self, encoded: Encoded, grid: Grid, values: ValueRange, out: Float[Tensor, "B 3 H W"] | None = None
    ) -> Iterator[Band]:
        """Renders a grid from top to bottom, in bands of rows.

        Args:
            encoded: the picture, whose `window` holds all latents that the pixels need.
            grid: the pixels.
            values: the range in which they are written.
            out: takes the pixels, if they are to lie together.
        """

    def prepare(
        self, features: Float[Tensor, "B C n m"], cell: Float[Tensor, "B 1 2"], lr_size: Size, scratch: Scratch
    ) -> Any:
        """`Decoder.prepare_window`. The state may lie in `scratch`."""

    def render(
        self,
        state: Any,
        lr: Float[Tensor, "B 3 h w"],
        grid: Grid,
        out: Float[Tensor, "B 3 H W"],
        values: ValueRange,
    ) -> None:
        """Renders a grid from a state for its cell.

        Args:
            state: a state that `prepare` made.
            lr: the normalised LR image, for methods with an LR skip.
            grid: the pixels.
            out: takes the pixels; rows lie one after the other.
            values: the range in which they are written.
        """

    def render_chosen(self, state: Any, lr: Float[Tensor, "B 3 h w"]) -> RenderChosen:
        """A function that renders chosen pixels of any grid and cell from the state of an LMF conversion."""


@runtime_checkable
class MultiScale(Protocol):
    """Renders each place of a picture only as finely as it needs, by any renderer: a bound table of CMSR (`cmsr/`)."""

    def reads(self, grid: Grid, lr_size: Size) -> Window:
        """The latents that the pixels of a grid need, from a picture of `lr_size`."""

    def bands(
        self,
        encoded: Encoded,
        grid: Grid,
        renderer: Renderer,
        values: ValueRange,
        out: Float[Tensor, "B 3 H W"] | None = None,
    ) -> Iterator[Band]:
        """Renders a grid as `Renderer.bands` does."""
