"""The compiled latent MLP of LM-LIIF and LM-LTE (`kernels/latents.c`): a state's modulations for any window of the image.

`Conversion.prepare` makes the whole state. Here the modulations of a window are made just before they are rendered. They are
then still in cache, cost in proportion to the window, and are never all held. Everything affine in the latent MLP's hidden
layer x is folded into its last layer:

    gain   = 1 + alpha                                        (W_alpha, b_alpha + 1) x
    offset = gain * b + beta                                  (W_beta + b W_alpha, b_beta + b (1 + b_alpha)) x
    known  = W_code code + W_cell cell, or the code itself    likewise
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.kernels import bindings
from lmf_sr.kernels.bindings import LANES, LatentMLP, Layer
from lmf_sr.kernels.winograd import transformed
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering.scratch import Scratch


def supports(decoder: Decoder, features: Float[Tensor, "B C h w"]) -> bool:
    """Whether `Latents` can make this decoder's modulations, given a compiler."""
    return (
        decoder.has_latent_kernel
        and features.device.type == "cpu"
        and features.dtype == torch.float32
        and features.shape[1] % LANES == 0
    )


class Latents:
    """The modulations of some columns of an image's state at one cell, made line by line."""

    def __init__(
        self,
        decoder: Conversion,
        features: Float[Tensor, "B C h w"],
        cell: Float[Tensor, "B 2"],
        left: int,
        right: int,
    ) -> None:
        """Columns `left` up to `right`; `cell` is the relative cell."""
        self.features = features
        self.left, self.width = left, right - left
        kernel, bias = decoder.convolution(cell)
        first, last = decoder.latent_mlp.linears
        known = decoder.first_layer_at_lr(cell)
        weight, biases = folded(last, decoder, known, len(cell))
        layers = [Layer(weight.T.contiguous(), biases.contiguous())]
        if decoder.latent_waves:
            layers.insert(0, Layer(first.weight.T.contiguous(), first.bias.expand(len(cell), -1).contiguous()))
        self.mlp = LatentMLP(
            convolution=Layer(transformed(kernel.unflatten(1, (-1, 3, 3)), 2), bias.contiguous()),
            waves=decoder.latent_waves or 0,
            layers=layers,
            modulations=decoder.depth * decoder.width,
            known=known is not None,
            hidden=decoder.depth,
            bias=decoder.hidden_bias,
        )
        self.latent_size = len(weight)
        self.made = 0, features.new_empty(len(features), 0, self.width, self.latent_size)

    def lines(self, top: int, bottom: int) -> Float[Tensor, "B n m C"]:
        """The modulations of lines `top` up to `bottom` of the LR image. Lines of the last call are not made again."""
        first, before = self.made
        rows = self.features.new_empty(len(before), bottom - top, self.width, self.latent_size)
        again = before[:, max(top - first, 0) :] if top >= first else before[:, :0]
        rows[:, : again.shape[1]] = again[:, : bottom - top]
        self.make(top + again.shape[1], rows[:, again.shape[1] :])
        self.made = top, rows
        return self._of_state(rows)

    def state(self, cell: Float[Tensor, "B 2"], scratch: Scratch) -> LMFState:
        """The whole state, with its strengths; `cell` is the relative cell that the constructor was given."""
        B, _, h, _ = self.features.shape
        rows = scratch.tensor(B, h, self.width, self.latent_size)
        strengths = self.features.new_empty(B, h, self.width, 2, self.mlp.hidden)
        self.make(0, rows, strengths)
        return LMFState(self._of_state(rows), strengths, cell)

    def make(
        self, top: int, rows: Float[Tensor, "B n m C"], strengths: Float[Tensor, "B n m 2 L"] | None = None
    ) -> None:
        """Fills lines from `top` on."""
        bindings.latents(self.mlp, self.features, top, self.left, rows, strengths)

    def _of_state(self, rows: Float[Tensor, "B n m c"]) -> Float[Tensor, "B n m C"]:
        """The part of the rows that a state holds. The known part is folded away."""
        return rows[..., : 2 * self.mlp.modulations] if self.mlp.known else rows


def folded(
    last: torch.nn.Linear,
    decoder: Conversion,
    known: tuple[Float[Tensor, "D K"], Float[Tensor, "B D"] | None] | None,
    cells: int,
) -> tuple[Float[Tensor, "o i"], Float[Tensor, "B o"]]:
    """The weight and biases that make `[gain, offset, known or code]` from the input of the latent MLP's last layer.

    Args:
        last: that layer.
        decoder: the conversion.
        known: its `first_layer_at_lr` for each cell. It joins the first offset later, because the gain multiplies it.
        cells: how many cells there are.
    """
    modulations = decoder.depth * decoder.width
    sizes = [modulations, modulations, decoder.code_dim]
    (W_alpha, W_beta, W_code), (b_alpha, b_beta, b_code) = last.weight.split(sizes), last.bias.split(sizes)
    bias = decoder.hidden_bias
    b_code = b_code.expand(cells, -1)
    if known is not None:
        W_first, b_first = known
        W_code, b_code = W_first @ W_code, F.linear(b_code, W_first)
        if b_first is not None:
            b_code = b_code + b_first
    weight = torch.cat([W_alpha, W_beta + bias[:, None] * W_alpha, W_code])
    biases = torch.cat([1 + b_alpha, b_beta + bias * (1 + b_alpha)]).expand(cells, -1)
    return weight, torch.cat([biases, b_code], dim=1)
