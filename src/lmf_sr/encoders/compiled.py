"""EDSR on a CPU, compiled: its convolutions by Winograd (`kernels/convolve.c`), each with what follows it in one pass.

PyTorch takes 36 products for 16 here, and several fresh pictures of features for each convolution, which a system may take
longer to clear than to fill. Here three are held, a position's channels side by side. For inference: there is no gradient.
"""

import ctypes
from ctypes import Structure, c_float, c_int64, c_void_p
from typing import TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.encoders import Encoder
from lmf_sr.encoders.edsr import EDSR
from lmf_sr.kernels.library import library, why_not_compiled
from lmf_sr.kernels.winograd import LANES, CLinear, CPicture, transformed

WIDEST = 128  # channels; the weights of more take longer to transform than small pictures to encode


class _Job(Structure):
    _fields_ = [
        ("input", CPicture),
        ("convolution", CLinear),
        ("with_relu", c_int64),
        ("residual", c_void_p),
        ("out", c_void_p),
        *((name, c_int64) for name in ("out_image_size", "out_line_size", "out_position_size")),
        *((name, c_int64) for name in ("images", "threads")),
        ("scale", c_float),
    ]


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
        _convolve(one, before, hidden, with_relu=True)
        _convolve(two, hidden, x, residual=before, scale=encoder.res_scale)
        before = x
    _convolve(last, before, hidden, residual=first)
    return hidden.permute(0, 3, 1, 2)


def _convolve(
    layer: nn.Conv2d,
    x: Float[Tensor, "B h w i"],
    out: Float[Tensor, "B h w o"],
    with_relu: bool = False,
    residual: Float[Tensor, "B h w o"] | None = None,
    scale: float = 1.0,
) -> None:
    """`layer(x)`, or its relu, or residual + scale * layer(x), into `out`, which may be the residual."""
    assert layer.bias is not None
    weight = transformed(layer.weight)
    job = _Job(
        CPicture.of(x.permute(0, 3, 1, 2)),
        CLinear.of(weight, layer.bias),
        with_relu,
        None if residual is None else residual.data_ptr(),
        out.data_ptr(),
        *out.stride()[:3],
        len(out),
        torch.get_num_threads(),
        scale,
    )
    if library().lmf_convolve(ctypes.byref(job)):
        raise MemoryError("no memory for the scratch of a convolution")
