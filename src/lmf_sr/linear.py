"""A linear layer at the processor's full width: y = x W' + b.

On a CPU `F.linear` is Intel's MKL, which uses the vectors of 512 bits of its maker's processors alone. oneDNN, which PyTorch
has too and computes convolutions with, uses everyone's: an AMD EPYC takes less than half the time for a layer, and trains
CiaoSR 1.6 times and LIIF 1.2 times as fast in float32. (Made to believe the EPYC Intel's, MKL is as fast as oneDNN, so that
nothing should be lost where it is.)
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def linear(
    x: Float[Tensor, "*N i"], weight: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None
) -> Float[Tensor, "*N o"]:
    """`F.linear`; in float32 on a CPU by oneDNN, gradients too."""
    if not _by_onednn(x, weight):
        return F.linear(x, weight, bias)
    rows: Tensor = _Product.apply(x.reshape(-1, x.shape[-1]), weight, bias)
    return rows if x.ndim == 2 else rows.view(*x.shape[:-1], -1)  # of a view, ReLU in place would cost autograd copies


def _by_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]  # it cannot record the operator, and counts MACs
        and x.numel() > 0
    )


class _Product(torch.autograd.Function):
    """x W' + b of rows x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        x, weight = x.contiguous(), weight.contiguous()  # oneDNN is hundreds of times slower on strided ones
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            linear(grad, weight.T) if of_x else None,
            linear(grad.T, x.T) if of_weight else None,
            grad.sum(0) if of_bias else None,
        )


class Linear(nn.Linear):
    """`nn.Linear`, by `linear`."""

    def forward(self, x: Float[Tensor, "*N i"]) -> Float[Tensor, "*N o"]:
        return linear(x, self.weight, self.bias)
