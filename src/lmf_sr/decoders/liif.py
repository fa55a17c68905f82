"""LIIF: Local Implicit Image Function (Chen et al., CVPR 2021).

At each of the four latents t around a query,

    rgb_t = MLP([U(F)_t, rel_t, relative cell]),        rgb = sum_t w_t rgb_t      (local ensemble)

with U(F) the 3x3 neighbourhood of the features and an MLP of 4 hidden layers of 256. Two identities save work exactly:
the first layer is linear, so its feature part is a 3x3 convolution at LR, made once in `prepare`; and the weights sum to 1,
so the last layer runs once, after the ensemble. (`plain.py` has the literal form.)
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder, for_queries
from lmf_sr.decoders.layers import CornerMLP, linear_on_unfold
from lmf_sr.geometry import ensemble, four_corners, gather, relative_cell


class LIIFState(NamedTuple):
    first: Float[Tensor, "B h w d"]  # the first layer's feature part and bias
    cell: Float[Tensor, "B #Q 2"]  # relative


class LIIF(Decoder):
    lr_skip = False

    def __init__(self, in_dim: int, width: int = 256, depth: int = 4) -> None:
        """`depth` hidden layers of `width` on `in_dim` features."""
        super().__init__()
        self.mlp = CornerMLP(9 * in_dim, [width] * depth, 3)

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> LIIFState:
        first = linear_on_unfold(features, self.mlp.first_weight, self.mlp.first_bias)
        return LIIFState(first, relative_cell(cell, features.shape[-2:]))

    def of_queries(self, state: LIIFState, queries: slice) -> LIIFState:
        return state._replace(cell=for_queries(state.cell, queries))

    def query(self, state: LIIFState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        corners = four_corners(coords, state.first.shape[1:3])
        dtype = state.first.dtype
        y = self.mlp.hidden_from(gather(state.first, corners.at), corners.rel.to(dtype), state.cell.unsqueeze(2))
        return self.mlp.linears[-1](ensemble(y, corners.weight.to(dtype)))
