"""A linear layer at the processor's full width: y = x W' + b.

On a CPU `F.linear` is Intel's MKL, which uses the vectors of 512 bits of its maker's processors alone. oneDNN, which PyTorch
has too and computes convolutions with, uses everyone's: an AMD EPYC then takes less than half the time. (Made to believe
the EPYC Intel's, MKL is as fast as oneDNN, so that nothing should be lost where it is.)
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def linear(
    x: Float[Tensor, "*N i"], weight: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None = None
) -> Float[Tensor, "*N o"]:
    """`F.linear`; without gradients, in float32 on a CPU, by oneDNN."""
    if not _by_onednn(x, weight):
        return F.linear(x, weight, bias)
    rows = x.reshape(-1, x.shape[-1]).contiguous()  # oneDNN is hundreds of times slower on strided ones, weights too
    product = torch.ops.mkldnn._linear_pointwise(rows, weight.contiguous(), bias, "none", [], "")
    return product.view(*x.shape[:-1], -1)


def _by_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not (torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad))
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]  # it cannot record the operator, and counts MACs
        and x.numel() > 0
    )


class Linear(nn.Linear):
    """`nn.Linear`, by `linear`."""

    def forward(self, x: Float[Tensor, "*N i"]) -> Float[Tensor, "*N o"]:
        return linear(x, self.weight, self.bias)
