"""3x3 kernels in the form that Winograd's F(m x m, 3x3) takes (`winograd.h`): G k G^T, (m + 2)^2 points for 9 weights.

G evaluates a kernel, read as a polynomial of degree 2, at m + 1 points and at infinity (its highest coefficient), and
divides each value by the product of the point's distances from the other points:

    m = 2    0, 1, -1
    m = 4    0, 3/4, -3/4, 3/2, -3/2

Points near 1 keep the values, and so the rounding errors, of one size. The usual 0, +-1, +-2 have twice the error.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.75, -0.75, 1.5, -1.5)}


def transform_matrix(m: int) -> Float[Tensor, "n 3"]:
    """G in float64."""
    rows = []
    for x in POINTS[m]:
        product = math.prod(x - y for y in POINTS[m] if y != x)
        rows.append([1 / product, x / product, x * x / product])
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


def transformed(kernel: Float[Tensor, "o i 3 3"], m: int) -> Float[Tensor, "points i o"]:
    """G k G^T of each input's and output's 3x3 kernel k, computed in float64, for all of them in one product."""
    G = transform_matrix(m)
    points = torch.kron(G, G) @ kernel.double().permute(2, 3, 1, 0).flatten(0, 1).flatten(1)
    return points.to(kernel.dtype).unflatten(1, (-1, len(kernel)))
