"""An LMF state in the form in which a fragment shader renders it (`assets/shaders.js`).

A latent holds C values, four to a texel. A state of h x w latents is an array of C/4 textures of h x w texels,

    [gain (L*16), offset (L*16), code (k), LR pixel (3) and 0 where the method adds it]        layer 0 of the MLP first

and the render MLP, which is the same for all latents, is sent apart as JSON. A hidden layer is that of `lmf/conversion.py`,

    y_{l+1} = relu(gain_l * (W_l y_l) + offset_l),        rgb = W_L (sum_t w_t y_L) + b

where the first layer sees `rel` (LM-LIIF, LM-CiaoSR) or waves of it (LM-LTE). A state is exact for the cell it was prepared
for. A state that is moved to another cell has an exact render input and the modulations of the first cell
(`Conversion.at_cell`). Beyond scale 4 the cell is clipped, so one state is exact for all larger scales.

Half precision changes a pixel by less than 0.1 of 255 grey levels.
"""

from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.lmf.conversion import Conversion, LMFState

DEEPEST = 16  # layers, whose matrices become code


def drawable(decoder: Decoder) -> TypeGuard[Conversion]:
    """Whether the shader renders this decoder: an LMF conversion with a render MLP 16 wide and the local ensemble."""
    return isinstance(decoder, Conversion) and decoder.has_kernel and decoder.ensemble and decoder.depth <= DEEPEST


@torch.no_grad()
def render_mlp(decoder: Conversion) -> dict[str, Any]:
    """The render MLP as JSON: matrices by rows, and the effect of the relative cell on the input."""
    first, *hidden, last = (weight.double() for weight in decoder.render_weights)
    bias = decoder.render_mlp.linears[-1].bias
    cell = _of_cell(decoder)
    return {
        "input": "waves" if decoder.kernel_waves else "rel",
        "depth": decoder.depth,
        "skip": decoder.lr_skip,
        "layers": layers(decoder),
        "first": first.tolist(),
        "hidden": [weight.tolist() for weight in hidden],
        "last": last.tolist(),
        "bias": bias.tolist(),
        "cell": None if cell is None else cell.tolist(),
    }


def _of_cell(decoder: Conversion) -> Float[Tensor, "k 2"] | None:
    """The matrix by which the relative cell shifts the phases of the waves, or else `W_0 y_0`; None without a shift."""
    axes = torch.eye(2).to(decoder.render_weights[0])
    at_zero = LMFState(axes.new_empty(2, 0, 0, 0), axes.new_empty(2, 0, 0), torch.zeros_like(axes))
    shifts = decoder.phases(axes) if decoder.kernel_waves else decoder.shift_to(at_zero, axes)
    return None if shifts is None else shifts.T


def layers(decoder: Conversion) -> int:
    """The number of texels of a latent."""
    return (2 * decoder.depth * decoder.width + 2 * (decoder.kernel_waves or 0)) // 4 + int(decoder.lr_skip)


def texels(decoder: Conversion, state: LMFState, lr: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "T h w 4"]:
    """A state as textures, in float32; `lr` is the picture of the same latents, normalised."""
    parts = [state.modulations[0].float()]  # gain, offset and code, in this order
    if decoder.lr_skip:
        parts += [lr[0].float().permute(1, 2, 0), lr.new_zeros(*lr.shape[2:], 1)]
    values = torch.cat(parts, dim=-1)
    return values.unflatten(-1, (-1, 4)).permute(2, 0, 1, 3).contiguous()
