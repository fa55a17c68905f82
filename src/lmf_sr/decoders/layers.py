"""What the decoders are made of: the MLP, and a linear layer on 3x3 neighbourhoods, which is a convolution."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU between them, over the last axis."""

    def __init__(self, in_dim: int, hidden: Sequence[int], out_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(in_dim, width), nn.ReLU(inplace=True)]
            in_dim = width
        self.layers = nn.Sequential(*layers, nn.Linear(in_dim, out_dim))

    @property
    def linears(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, x: Float[Tensor, "*N i"]) -> Float[Tensor, "*N o"]:
        return self.layers(x)


def unfold3x3(features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B h w 9*C"]:
    """U(F): each position's zero-padded 3x3 neighbourhood; channel c, neighbour k at 9c + k."""
    B, C, h, w = features.shape
    return F.unfold(features, kernel_size=3, padding=1).view(B, 9 * C, h, w).permute(0, 2, 3, 1)


def linear_on_unfold(
    features: Float[Tensor, "B C h w"], weight: Float[Tensor, "o 9*C"], bias: Float[Tensor, " o"] | None = None
) -> Float[Tensor, "B h w o"]:
    """`F.linear(unfold3x3(features), weight, bias)` as a 3x3 convolution: the neighbourhoods are never materialised."""
    kernel = weight.reshape(weight.shape[0], features.shape[1], 3, 3)
    return F.conv2d(features, kernel, bias, padding=1).permute(0, 2, 3, 1)
