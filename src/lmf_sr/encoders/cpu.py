"""EDSR and RLFN on a CPU, compiled: Winograd's 3x3 convolutions (`kernels/convolve.c`), each one pass with what follows it.

    encoder    after a convolution                               Winograd
    EDSR       relu, or the residual                             F(2x2, 3x3): 16 products for 36
    RLFN       leaky relu; at the end of a block the residual
               and the 1x1 convolution too                       F(4x4, 3x3): 36 products for 144

PyTorch multiplies as the definition says, and makes several fresh pictures of features for each convolution, which a system
may take longer to clear than to fill. Here a few are reused, in which a position's channels are side by side. There is no
gradient, because this is for inference.
"""

from typing import TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.encoders.base import Encoder
from lmf_sr.encoders.edsr import EDSR
from lmf_sr.encoders.rlfn import RLFN, SLOPE, blocks_of
from lmf_sr.kernels.bindings import LANES, Layer, convolve, why_not_compiled
from lmf_sr.kernels.winograd import transformed

WIDEST = 128  # channels; the weights of a wider encoder take longer to transform than a small picture to encode


def covers(encoder: Encoder) -> TypeGuard[EDSR | RLFN]:
    """Whether `encode` knows this encoder."""
    return (
        (type(encoder) is EDSR or (type(encoder) is RLFN and all(block.esa is None for block in blocks_of(encoder))))
        and encoder.out_dim in range(LANES, WIDEST + 1, LANES)
        and not any(module._forward_hooks or module._forward_pre_hooks for module in encoder.modules())
    )


def supports(encoder: Encoder, lr: Float[Tensor, "B 3 h w"]) -> TypeGuard[EDSR | RLFN]:
    """Whether `encode` can encode this picture here. It cannot where PyTorch has to see each operation."""
    return (
        covers(encoder)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]
        and lr.device.type == "cpu"
        and lr.dtype == encoder.head.weight.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and why_not_compiled() is None
    )


def encode(encoder: EDSR | RLFN, lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
    """Encodes by an encoder that this module `supports`."""
    head = encoder.head(lr.contiguous(memory_format=torch.channels_last))
    first = head.permute(0, 2, 3, 1).contiguous()
    features = _edsr(encoder, first) if isinstance(encoder, EDSR) else _rlfn(encoder, first)
    return features.permute(0, 3, 1, 2)


def _edsr(encoder: EDSR, first: Float[Tensor, "B h w C"]) -> Float[Tensor, "B h w C"]:
    x, hidden = torch.empty_like(first), torch.empty_like(first)
    block_input = first
    *in_blocks, last = (_layer(layer, 2) for layer in encoder.body.modules() if isinstance(layer, nn.Conv2d))
    for one, two in zip(in_blocks[::2], in_blocks[1::2], strict=True):
        convolve(block_input, one, hidden, slope=0.0)
        convolve(hidden, two, x, residual=block_input, scale=encoder.res_scale)
        block_input = x
    convolve(block_input, last, hidden, residual=first)
    return hidden


def _rlfn(encoder: RLFN, first: Float[Tensor, "B h w C"]) -> Float[Tensor, "B h w C"]:
    x, one, two = (torch.empty_like(first) for _ in range(3))
    block_input = first
    for block in blocks_of(encoder):
        convolve(block_input, _layer(block.c1, 4), one, slope=SLOPE)
        convolve(one, _layer(block.c2, 4), two, slope=SLOPE)
        assert block.c5.bias is not None
        pointwise = Layer(block.c5.weight.flatten(1).T.contiguous(), block.c5.bias)
        convolve(two, _layer(block.c3, 4), x, slope=SLOPE, residual=block_input, pointwise=pointwise)
        block_input = x
    convolve(block_input, _layer(encoder.tail, 4), one, residual=first)
    return one


def _layer(convolution: nn.Conv2d, m: int) -> Layer:
    """The convolution in the form that F(m x m, 3x3) takes."""
    assert convolution.bias is not None
    return Layer(transformed(convolution.weight, m), convolution.bias)
