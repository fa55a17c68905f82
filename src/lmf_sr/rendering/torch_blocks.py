"""The blocked renderer in PyTorch alone, for any width and precision.

An axis falls into *runs*: neighbouring pixels with the same two latents. A run of rows and a run of columns make a block of
a x b pixels between four latents. All blocks of one shape are rendered together, a tile at a time,

    y: (4 corners, a x b pixels, blocks, D)        gain, offset: (4 corners, 1, blocks, D)

so that a tile's modulations are fetched once per block and broadcast over its pixels.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from lmf_sr.lmf.conversion import Conversion
from lmf_sr.rendering.pixel_axes import Axis, PixelMask
from lmf_sr.rendering.value_range import NORMALISED, ValueRange

LONGEST_RUN = 32  # pixels


class Rendering:
    """A decoder's render MLP, ready for any pixels of a picture, as `cpu.Rendering` is."""

    def __init__(self, decoder: Conversion, lr: Float[Tensor, "B 3 h w"], tile: int) -> None:
        """`tile` bounds the bytes of a hidden layer of the blocks that are rendered together."""
        self.decoder, self.lr = decoder, lr
        self.pixels_at_once = max(tile // (4 * decoder.width * lr.element_size()), 1)

    def render(
        self,
        latents: Float[Tensor, "B n m C"],
        cell: Float[Tensor, "B 2"],
        rows: Axis,
        cols: Axis,
        out: Float[Tensor, "B 3 H W"],
        chosen: PixelMask | None = None,
        shift: Float[Tensor, "B D"] | None = None,
        values: ValueRange = NORMALISED,
    ) -> None:
        """Renders as `cpu.Rendering.render` does."""
        decides, pixels = (None, None) if chosen is None else (chosen.latents_that_decide(), chosen.pixels())
        for image in range(len(out)):
            for row_runs in runs(rows.corners.at, decides and decides[0]):
                for col_runs in runs(cols.corners.at, decides and decides[1]):
                    wanted = torch.ones(len(row_runs), len(col_runs), dtype=torch.bool)
                    if pixels is not None:
                        wanted = pixels[image, row_runs[:, 0]][:, col_runs[:, 0]]
                    blocks = max(self.pixels_at_once // (row_runs.shape[1] * col_runs.shape[1]), 1)
                    for tile in wanted.nonzero().split(blocks):
                        r, c = row_runs[tile[:, 0]], col_runs[tile[:, 1]]
                        moved = None if shift is None else shift[image]
                        rgb = self.blocks(latents[image], cell[image], rows, cols, r, c, moved)
                        if self.decoder.lr_skip:
                            rgb += self.bilinear(image, rows, cols, r, c)
                        rgb = rgb.to(out.dtype)  # autocast computes in 16 bits
                        out[image][:, r.T[:, None], c.T[None]] = values.apply_(rgb)

    def blocks(
        self,
        latents: Float[Tensor, "n m C"],
        cell: Float[Tensor, "2"],
        rows: Axis,
        cols: Axis,
        row_runs: Int[Tensor, "k a"],
        col_runs: Int[Tensor, "k b"],
        shift: Float[Tensor, " D"] | None,
    ) -> Float[Tensor, "3 a b k"]:
        """The pixels of k blocks, each a run of rows by a run of columns, without the LR image."""
        of_rows, of_cols = rows.corners, cols.corners
        (k, a), b = row_runs.shape, col_runs.shape[1]
        low_high = [(i, j) for i in (0, 1) for j in (0, 1)]
        at = torch.stack(
            [of_rows.at[row_runs[:, 0], i] * latents.shape[1] + of_cols.at[col_runs[:, 0], j] for i, j in low_high]
        )
        gain, offset, code = self.decoder.split_modulations(latents.flatten(0, 1)[at].unsqueeze(1))
        gain, offset = gain.movedim(-2, 0).contiguous(), offset.movedim(-2, 0).contiguous()  # read at twice the speed

        def over_blocks(of_row: Float[Tensor, "H 2"], of_col: Float[Tensor, "W 2"]) -> tuple[Tensor, Tensor]:
            """The values of rows and of columns, for each corner, pixel and block."""
            row = of_row[row_runs].to(latents.dtype).permute(2, 1, 0)[:, None, :, None]
            col = of_col[col_runs].to(latents.dtype).permute(2, 1, 0)[None, :, None, :]
            row, col = torch.broadcast_tensors(row, col)
            return row.reshape(4, a * b, k), col.reshape(4, a * b, k)

        rel = torch.stack(over_blocks(of_rows.rel, of_cols.rel), dim=-1)
        y = self.decoder.input_at_hr(code.expand(-1, a * b, -1, -1), rel, cell.expand_as(rel))
        *hidden, last = self.decoder.render_weights
        for W, gain_l, offset_l, summand in zip(
            hidden, gain, offset, [shift, *[None] * (len(hidden) - 1)], strict=True
        ):
            y = torch.addcmul(offset_l, gain_l, F.linear(y, W, summand)).relu_()
        row_weight, col_weight = over_blocks(of_rows.weight, of_cols.weight)
        y = y.mul_((row_weight * col_weight).unsqueeze(-1)).sum(0)
        rgb = F.linear(y, last, self.decoder.render_mlp.linears[-1].bias)
        return rgb.view(a, b, k, 3).permute(3, 0, 1, 2)

    def bilinear(
        self, image: int, rows: Axis, cols: Axis, row_runs: Int[Tensor, "k a"], col_runs: Int[Tensor, "k b"]
    ) -> Float[Tensor, "3 a b k"]:
        """The LR image, read bilinearly at the pixels of k blocks."""
        (top, bottom, down), (left, right, across) = (
            (axis.lr.low[at], axis.lr.high[at], axis.lr.share[at].to(self.lr.dtype))
            for axis, at in ((rows, row_runs.T[:, None]), (cols, col_runs.T[None]))
        )
        lr = self.lr[image]
        above, below = (torch.lerp(lr[:, line, left], lr[:, line, right], across) for line in (top, bottom))
        return torch.lerp(above, below, down)


def runs(at: Int[Tensor, "N 2"], decides: Int[Tensor, "N k"] | None = None) -> Iterator[Int[Tensor, "n a"]]:
    """Divides the pixels of an axis into runs, and yields runs of the same length together.

    With `decides`, the same latents also decide about all pixels of a run (`PixelMask.latents_that_decide`).
    """
    keys = at if decides is None else torch.cat([at, decides], dim=1)
    _, lengths = torch.unique_consecutive(keys, dim=0, return_counts=True)
    pieces = [piece for run in torch.arange(len(at)).split(lengths.tolist()) for piece in run.split(LONGEST_RUN)]
    for length in sorted({len(piece) for piece in pieces}):
        yield torch.stack([piece for piece in pieces if len(piece) == length])
