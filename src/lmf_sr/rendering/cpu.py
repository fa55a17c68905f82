"""The compiled renderer, which runs the whole render MLP on a grid of pixels in one pass (`kernels/render.c`)."""

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.kernels import bindings
from lmf_sr.kernels.bindings import GridAxis, GridPixels, RenderMLP
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.rendering.pixel_axes import Axis, PixelMask
from lmf_sr.rendering.value_range import NORMALISED, ValueRange

WIDTH = bindings.LANES  # of the render MLP, the length of the kernel's vectors


def supports(decoder: Decoder, dtype: torch.dtype) -> bool:
    """Whether `kernels/render.c` covers this decoder's render MLP, given a compiler."""
    return decoder.has_kernel and dtype == torch.float32


class Rendering:
    """A decoder's render MLP, ready for any pixels of a picture."""

    def __init__(self, decoder: Conversion, lr: Float[Tensor, "B 3 h w"]) -> None:
        """
        Args:
            decoder: a conversion that the kernel `supports`.
            lr: the whole LR image, for methods with an LR skip.
        """
        self.decoder, self.lr = decoder, lr if decoder.lr_skip else None
        first, *hidden, last = decoder.render_weights
        columns = torch.zeros(WIDTH + 1, WIDTH)
        columns[:, :3] = torch.cat([last.T, decoder.render_mlp.linears[-1].bias[None]])
        self.mlp = RenderMLP(
            first=first.T.contiguous(),
            hidden=torch.cat([W.T for W in hidden]) if hidden else None,
            last=columns,
            depth=decoder.depth,
        )

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
        """Renders the pixels of some rows and columns into `out`.

        Args:
            latents: a state's modulations for a window of the image, from which the axes count.
            cell: the relative cell.
            out: takes the pixels; contiguous along a row.
            chosen: the pixels to write, the others being left as they are; None for all.
            shift: is added to the first layer's product, if the cell is not the state's (`Conversion.shift_to`).
            values: the range in which the pixels are written.
        """
        phase = self.decoder.phases(cell)
        bindings.render(
            self.mlp,
            latents,
            grid_pixels(rows, cols, chosen),
            out,
            lr=self.lr,
            phases=None if phase is None else torch.cat([phase, phase - 0.5], dim=-1),
            shift=shift,
            written=values,
        )


def grid_pixels(rows: Axis, cols: Axis, chosen: PixelMask | None) -> GridPixels:
    """The chosen pixels of a grid, or all of them, as the kernels take them; `rows` and `cols` are those of the grid."""
    axes = grid_axis(rows), grid_axis(cols)
    return GridPixels(*axes) if chosen is None else GridPixels(*axes, chosen.latents, chosen.around)


def grid_axis(axis: Axis) -> GridAxis:
    """An axis as the kernels take it."""
    return GridAxis(axis.at, axis.n, axis.first)
