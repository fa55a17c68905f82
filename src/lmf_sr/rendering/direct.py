"""The direct renderer: every pixel of a grid is a query, in chunks, for any decoder. The reference for all faster paths.

Memory beyond the output is bounded by `queries_at_once`, whatever the size of the output.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders import Decoder
from lmf_sr.geometry import Grid, sample_bilinear
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering.axes import Chosen
from lmf_sr.rendering.values import Values

QUERIES_ON_GPU = 16384
# A layer 256 wide is then 8 MB at the four corners, which malloc keeps for the next: beyond 32 MB all is given back to the
# system, and cleared anew, page by page, when written. LIIF takes 1.7 times as long with 16384.
QUERIES_ON_CPU = 2048

RenderChosen = Callable[[Tensor, Chosen, Tensor, Values], None]
"""(cell, chosen, out, values): renders the chosen pixels of a grid into `out`, (B, 3, H, W), rows one after the other, and
leaves the others. The cell, (B, 2), is that which the render input is to have, whatever the state's."""


def queries_at_once(lr: Float[Tensor, "B 3 h w"]) -> int:
    """How many pixels of each picture make a chunk."""
    return max((QUERIES_ON_CPU if lr.device.type == "cpu" else QUERIES_ON_GPU) // len(lr), 1)


def prepare(
    decoder: Decoder, features: Float[Tensor, "B C n m"], cell: Float[Tensor, "B #Q 2"], lr_size: tuple[int, int]
) -> Any:
    """`Decoder.prepare_window`."""
    return decoder.prepare_window(features, cell, lr_size)


def render_direct(decoder: Decoder, state: tuple, lr: Float[Tensor, "B 3 h w"], grid: Grid) -> Float[Tensor, "B 3 H W"]:
    """Renders a grid from a prepared state.

    Args:
        decoder: any decoder.
        state: what `decoder.prepare` made for the grid's cell.
        lr: the normalised LR image, for methods with an LR skip.
        grid: the pixels to render.

    Returns:
        Normalised, unclamped RGB.
    """
    H, W = grid.size
    B = lr.shape[0]
    out = lr.new_empty(B, 3, H * W)
    cols = grid.cols.to(lr.device)
    rows = grid.rows.to(lr.device)
    count = queries_at_once(lr)
    for start in range(0, H * W, count):
        pixels = torch.arange(start, min(start + count, H * W), device=lr.device)
        coords = torch.stack([rows[pixels // W], cols[pixels % W]], dim=-1).expand(B, -1, -1)
        rgb = decoder.query(state, coords)
        if decoder.lr_skip:
            rgb = rgb + sample_bilinear(lr, coords)
        out[:, :, start : start + len(pixels)] = rgb.transpose(1, 2)
    return out.view(B, 3, H, W)


def render_chosen(decoder: Conversion, state: LMFState, lr: Float[Tensor, "B 3 h w"]) -> RenderChosen:
    """What renders some pixels of a grid, from a state `at_cell`.

    Args:
        decoder: an LMF conversion.
        state: what it made for some cell.
        lr: as for `render_direct`.
    """

    def render(cell: Tensor, chosen: Chosen, out: Tensor, values: Values) -> None:
        of_cell, grid = decoder.at_cell(state, cell), chosen.grid
        rows, cols, W = grid.rows.to(lr.device), grid.cols.to(lr.device), len(grid.cols)
        of_images = chosen.pixels()
        for b, flat in enumerate(out.flatten(2)):
            one = LMFState(*(part[b : b + 1] for part in of_cell))
            wanted = of_images[b].flatten().nonzero()[:, 0]
            for pixels in wanted.split(queries_at_once(lr[:1])):
                coords = torch.stack([rows[pixels // W], cols[pixels % W]], dim=-1)[None]
                rgb = decoder.query(one, coords)
                if decoder.lr_skip:
                    rgb = rgb + sample_bilinear(lr[b : b + 1], coords)
                flat[:, pixels] = values.of(rgb[0].T.to(flat.dtype))

    return render
