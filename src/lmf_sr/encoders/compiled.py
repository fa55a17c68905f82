"""EDSR on a CPU, compiled: its convolutions by Winograd (`kernels/convolve.c`), each with what follows it in one pass.

PyTorch takes 36 products for 16 here, and several fresh pictures of features for each convolution, which a system may take
longer to clear than to fill. Here three are held, a position's channels side by side. For inference: there is no gradient.
"""

from typing import TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.encoders import Encoder
from lmf_sr.encoders.edsr import EDSR
from lmf_sr.kernels.bindings import LANES, Layer, convolve, why_not_compiled
from lmf_sr.kernels.winograd import transformed

WIDEST = 128  # channels; the weights of more take longer to transform than small pictures to encode


def supports(encoder: Encoder, lr: Float[Tensor, "B 3 h w"]) -> TypeGuard[EDSR]:
    """Whether `encode` can do it, here and now: PyTorch would see nothing of it."""
    return (
        type(encoder) is EDSR
        and encoder.out_dim in range(LANES, WIDEST + 1, LANES)
        and not any(module._forward_hooks or module._forward_pre_hooks for module in encoder.modules())
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]
        and lr.device.type == "cpu"
        and lr.dtype == encoder.head.weight.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and why_not_compiled() is None
    )


def encode(encoder: EDSR, lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
    """What the encoder gives, for one that this module `supports`."""
    first = encoder.head(lr).permute(0, 2, 3, 1).contiguous()
    x, hidden = torch.empty_like(first), torch.empty_like(first)
    before = first
    *of_blocks, last = (layer for layer in encoder.body.modules() if isinstance(layer, nn.Conv2d))
    for one, two in zip(of_blocks[::2], of_blocks[1::2], strict=True):
        convolve(before, _layer(one), hidden, with_relu=True)
        convolve(hidden, _layer(two), x, residual=before, scale=encoder.res_scale)
        before = x
    convolve(before, _layer(last), hidden, residual=first)
    return hidden.permute(0, 3, 1, 2)


def _layer(convolution: nn.Conv2d) -> Layer:
    assert convolution.bias is not None
    return Layer(transformed(convolution.weight), convolution.bias)
