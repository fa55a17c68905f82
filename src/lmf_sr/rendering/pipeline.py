"""The way of a picture: encoded in tiles, prepared in strips, rendered in bands.

    LR picture  --tiles-->  features  --strips-->  states  --bands-->  pixels

`render` gives the bands of an encoded picture. `stream` also encodes strip by strip, so that neither the features of the
whole picture nor its pixels are ever held. Both give the pixels that one piece would give (`tiling.py` says why). `sample`
gives single points, which have no grid to exploit.
"""

from collections.abc import Iterator
from functools import partial

from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.encoders import running
from lmf_sr.encoders.base import Encoder
from lmf_sr.geometry import Grid, clip_cell, coordinates_on, sample_bilinear
from lmf_sr.rendering.budget import Budget
from lmf_sr.rendering.choice import AUTO, choose
from lmf_sr.rendering.renderer import Band, Encoded, MultiScale, Renderer
from lmf_sr.rendering.tiling import Window, encode_window, strips
from lmf_sr.rendering.value_range import ValueRange


def encode(encoder: Encoder, lr: Float[Tensor, "B 3 h w"], window: Window, budget: Budget) -> Float[Tensor, "B C n m"]:
    """The features of a window of a picture.

    Args:
        encoder: says how it is computed in tiles.
        lr: the whole picture, normalised.
        window: any window of it.
        budget: bounds a tile.
    """
    run = partial(running.encode, encoder)
    if encoder.receptive_halo is None:
        return window.crop(run(lr))
    positions = budget.tile_positions(encoder, len(lr))
    return encode_window(run, lr, window, encoder.receptive_halo, encoder.tile_multiple, positions)


def render(
    encoded: Encoded,
    grid: Grid,
    renderer: Renderer,
    values: ValueRange,
    out: Float[Tensor, "B 3 H W"] | None = None,
    cmsr: MultiScale | None = None,
) -> Iterator[Band]:
    """Renders a grid in bands of rows, from top to bottom, into `out` if it is given."""
    if cmsr is None:
        return renderer.bands(encoded, grid, values, out)
    return cmsr.bands(encoded, grid, renderer, values, out)


def stream(
    encoder: Encoder,
    decoder: Decoder,
    lr: Float[Tensor, "B 3 h w"],
    grid: Grid,
    values: ValueRange,
    budget: Budget,
    cmsr: MultiScale | None = None,
) -> Iterator[Float[Tensor, "B 3 n W"]]:
    """Renders a picture that is encoded strip by strip. The arguments are those of `encode` and `render`."""
    size = lr.shape[-2], lr.shape[-1]
    reads = Window.read_by if cmsr is None else cmsr.reads
    for rows, read in strips(grid, size, budget.stream_positions(encoder, lr), reads):
        window = read.grown(decoder.receptive_halo, decoder.tile_multiple, size)
        encoded = Encoded(decoder, lr, encode(encoder, lr, window, budget), window)
        renderer = choose(AUTO, decoder, encoded.features, budget)
        for _, rgb in render(encoded, grid.band(rows.start, rows.stop), renderer, values, cmsr=cmsr):
            yield rgb


def sample(
    encoded: Encoded,
    coords: Float[Tensor, "B Q 2"],
    cell: Float[Tensor, "B #Q 2"],
    values: ValueRange,
    budget: Budget,
) -> Float[Tensor, "B Q 3"]:
    """RGB at points (row, column) in [-1, 1], for output pixels of size `cell`, in chunks of queries."""
    decoder, lr = encoded.decoder, encoded.lr
    coords, count = coordinates_on(coords, lr.device), budget.queries(lr)
    state = encoded.state(clip_cell(cell.to(lr), encoded.size))
    out = lr.new_empty(*coords.shape[:2], 3)
    for start in range(0, coords.shape[1], count):
        chunk = slice(start, start + count)
        out[:, chunk] = decoder.query(decoder.of_queries(state, chunk), coords[:, chunk])
        if decoder.lr_skip:
            out[:, chunk] += sample_bilinear(lr, coords[:, chunk])
    return values.apply_(out)
