"""Rendering from states, strip by strip, so that states and pixels take little memory.

States may take eight times as much memory as features, and pixels as much again. So a grid is rendered in strips, each of
which is the rows of pixels that read some number of LR positions, and a strip is rendered in bands.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.geometry import Grid, Size
from lmf_sr.rendering.budget import DEFAULT, PIXEL, STATE, Budget
from lmf_sr.rendering.renderer import Band, Encoded, Renderer
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.tiling import Window, strips
from lmf_sr.rendering.value_range import ValueRange


class Strip(NamedTuple):
    """Rows of a grid, and the state of a window of the picture that holds all they read."""

    rows: slice
    window: Window
    state: Any


def state_strips(
    encoded: Encoded, grid: Grid, renderer: Renderer, reads: Callable[[Grid, Size], Window] = Window.read_by
) -> Iterator[Strip]:
    """A grid's rows in strips, each with its state.

    A state that was prepared in advance makes a single strip. `reads` gives the latents that the rows of a grid need.
    """
    decoder, size, cell, scratch = encoded.decoder, encoded.size, encoded.cell(grid), Scratch(encoded.lr)
    prepared = encoded.prepared_state(cell)
    if prepared is not None:
        yield Strip(slice(0, len(grid.rows)), Window.whole(size), prepared)
        return
    for rows, read in strips(grid, size, max(renderer.states_at_once // (STATE * len(encoded.lr)), 1), reads):
        window = read.grown(decoder.receptive_halo, decoder.tile_multiple, size)
        yield Strip(rows, window, renderer.prepare(encoded.features_in(window), cell, size, scratch))


def bands_of_rows(rows: slice, grid: Grid, renderer: Renderer, images: int) -> Iterator[slice]:
    """The rows of a strip in bands that fit the budget."""
    count = max(renderer.budget.band // (PIXEL * images * len(grid.cols)), 1)
    for start in range(rows.start, rows.stop, count):
        yield slice(start, min(start + count, rows.stop))


class FromStates:
    """The part of a renderer that makes states by its decoder and renders all its pixels from states (see `Renderer`)."""

    def __init__(self, decoder: Decoder, features: Float[Tensor, "B C h w"], budget: Budget = DEFAULT) -> None:
        self.decoder: Any = decoder
        self.budget, self.states_at_once = budget, budget.states

    def bands(
        self: Renderer, encoded: Encoded, grid: Grid, values: ValueRange, out: Float[Tensor, "B 3 H W"] | None = None
    ) -> Iterator[Band]:
        lr = encoded.lr
        for strip in state_strips(encoded, grid, self):
            for rows in bands_of_rows(strip.rows, grid, self, len(lr)):
                band = strip.window.frame(grid.band(rows.start, rows.stop), encoded.size)
                rgb = lr.new_empty(len(lr), 3, *band.size) if out is None else out[:, :, rows]
                self.render(strip.state, strip.window.crop(lr), band, rgb, values)
                yield rows, rgb

    def prepare(
        self, features: Float[Tensor, "B C n m"], cell: Float[Tensor, "B 1 2"], lr_size: Size, scratch: Scratch
    ) -> Any:
        return self.decoder.prepare_window(features, cell, lr_size)
