"""3x3 kernels as Winograd's F(2x2, 3x3) takes them (`winograd.h`): G k G^T, 16 points for 9."""

import torch
from jaxtyping import Float
from torch import Tensor

G = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def transformed(kernel: Float[Tensor, "o i 3 3"]) -> Float[Tensor, "16 i o"]:
    """G k G^T of each input's and output's 3x3 kernel k, for all of them in one product."""
    transform = kernel.new_tensor(G)
    points = torch.kron(transform, transform) @ kernel.permute(2, 3, 1, 0).flatten(0, 1).flatten(1)
    return points.unflatten(1, (-1, len(kernel)))
