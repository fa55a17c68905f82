"""The parts of the decoders: MLPs, and a linear layer on 3x3 neighbourhoods, which is a convolution."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.linear import Linear, linear


class MLP(nn.Module):
    """Linear layers with ReLU between them, over the last axis.

    The hidden layers begin with He's weights (He et al., ICCV 2015, eq. 10), through which an input keeps its size.
    PyTorch's default initialisation shrinks activations to 0.4 of their size per layer, so a thousandth of a render MLP's
    input would reach its output, and training would start blind to it.
    """

    def __init__(self, in_dim: int, hidden: Sequence[int], out_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [Linear(in_dim, width), nn.ReLU(inplace=True)]
            in_dim = width
        self.layers = nn.Sequential(*layers, Linear(in_dim, out_dim))
        for layer in self.linears[:-1]:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    @property
    def linears(self) -> list[Linear]:
        return [layer for layer in self.layers if isinstance(layer, Linear)]

    def forward(self, x: Float[Tensor, "*N i"]) -> Float[Tensor, "*N o"]:
        return over_last_axis(self.layers, x)

    def hidden(self, x: Float[Tensor, "*N i"]) -> Float[Tensor, "*N d"]:
        """The last hidden layer's output."""
        return over_last_axis(self.layers[:-1], x)


def over_last_axis(layers: nn.Module, x: Float[Tensor, "*N i"]) -> Float[Tensor, "*N o"]:
    """Applies the layers with N flattened to one axis.

    On several axes a linear layer returns a view, and an in-place ReLU on a view makes autograd copy it.
    """
    return layers(x.flatten(0, -2)).unflatten(0, x.shape[:-1])


class CornerMLP(MLP):
    """An MLP fed `[x, rel, relative cell]`. Its first layer's part for x may be computed elsewhere, and given as `first`."""

    def __init__(self, in_dim: int, hidden: Sequence[int], out_dim: int) -> None:
        """`in_dim` is the size of x."""
        super().__init__(in_dim + 4, hidden, out_dim)

    @property
    def first_weight(self) -> Float[Tensor, "d i"]:
        """The first layer's weight on x."""
        return self.linears[0].weight[:, :-4]

    @property
    def first_bias(self) -> Float[Tensor, " d"]:
        return self.linears[0].bias

    def hidden_from(
        self, first: Float[Tensor, "*N d"], rel: Float[Tensor, "*#N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N d"]:
        """The last hidden layer's output, given `first_weight x + first_bias`."""
        corner = torch.cat(torch.broadcast_tensors(rel, cell), dim=-1)
        y = (first + linear(corner, self.linears[0].weight[:, -4:])).relu_()
        return over_last_axis(self.layers[2:-1], y)

    def forward_from(
        self, first: Float[Tensor, "*N d"], rel: Float[Tensor, "*#N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N o"]:
        """`forward`, given `first_weight x + first_bias`."""
        return self.linears[-1](self.hidden_from(first, rel, cell))


def bands(n: int, row: int, at_once: int) -> list[tuple[int, int]]:
    """Divides `n` rows of size `row` into bands of about `at_once`, and returns where each begins and ends.

    While a graph is exported there is one band, because a graph has no loop over its sizes.
    """
    if torch.compiler.is_compiling():
        return [(0, n)]
    rows = max(at_once // row, 1)
    return [(top, min(top + rows, n)) for top in range(0, n, rows)]


def softmax(logits: Float[Tensor, "*N"], dim: int) -> Float[Tensor, "*N"]:
    """Softmax in float32 at least, because autocast's half precision is too coarse for large logits."""
    return logits.softmax(dim, dtype=torch.promote_types(logits.dtype, torch.float32))


def unfold3x3(features: Float[Tensor, "B C h w"], padding: int = 1) -> Float[Tensor, "B H W 9*C"]:
    """U(F): each position's zero-padded 3x3 neighbourhood; channel c, neighbour k at 9c + k."""
    rows = features.shape[2] + 2 * padding - 2
    return F.unfold(features, kernel_size=3, padding=padding).transpose(1, 2).contiguous().unflatten(1, (rows, -1))


def linear_on_unfold(
    features: Float[Tensor, "B C h w"], weight: Float[Tensor, "o 9*C"], bias: Float[Tensor, " o"] | None = None
) -> Float[Tensor, "B h w o"]:
    """`F.linear(unfold3x3(features), weight, bias)` as a 3x3 convolution, so that no neighbourhood is materialised.

    The result is contiguous, because queries read whole rows of it.
    """
    kernel = weight.reshape(weight.shape[0], features.shape[1], 3, 3)
    return F.conv2d(features, kernel, bias, padding=1).permute(0, 2, 3, 1).contiguous()
