"""CiaoSR: Continuous Implicit Attention-in-Attention (Cao et al., CVPR 2023).

The query is q = U(F) at the latent nearest to the point. Each of the four latents t around the point offers a key
k_t = U(F)_t and a value v_t = [U(F), N(F)]_t, with N(F) the cross-scale attention of `cross_scale.py`:

    k'_t = MLP_k([k_t, rel_t, relative cell]) * k_t,        v'_t = MLP_v([v_t, rel_t, relative cell]) * v_t
    z    = sum_t softmax_t(q . k'_t) v'_t,                  rgb  = MLP_q(z)

All three MLPs have 4 hidden layers of 256, and the bilinear LR image is added. Along an axis of n latents the method looks
for the four latents at a distance of

    (1 - cell) / (n - 1)

from the point, with the cell of the image's first query. (Where n = 1 there is only one latent to find.)
The feature parts of the first layers of MLP_k and MLP_v are convolutions at LR, made once in `prepare`; U(F), 576 channels,
is read from the 64 of F around each latent and never stored for the whole image. (`plain.py` has the literal form.)
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from lmf_sr.decoders.base import Decoder, for_queries, in_window
from lmf_sr.decoders.cross_scale import BLOCK, CrossScaleAttention
from lmf_sr.decoders.layers import MLP, CornerMLP, linear_on_unfold, softmax
from lmf_sr.geometry import four_corners, gather, lengths, nearest, relative_cell
from lmf_sr.linear import linear


class CiaoSRState(NamedTuple):
    padded: Float[Tensor, "B H W C"]  # F within a border of zeros
    nonlocal_: Float[Tensor, "B h w C"]  # N(F)
    first_key: Float[Tensor, "B h w d"]  # MLP_k's first layer on U(F), with its bias
    first_value: Float[Tensor, "B h w d"]  # MLP_v's first layer on U(F) and N(F), with its bias
    cell: Float[Tensor, "B #Q 2"]  # relative
    reach: Float[Tensor, "B 2"]


class CiaoSR(Decoder):
    lr_skip = True
    receptive_halo = 2 * BLOCK - 1  # the last block of an axis is this long at most
    tile_multiple = BLOCK

    def __init__(self, in_dim: int, width: int = 256, depth: int = 4) -> None:
        """MLPs of `depth` hidden layers of `width` on `in_dim` features."""
        super().__init__()
        hidden = [width] * depth
        self.key_mlp = CornerMLP(9 * in_dim, hidden, 9 * in_dim)
        self.value_mlp = CornerMLP(10 * in_dim, hidden, 10 * in_dim)
        self.rgb_mlp = MLP(10 * in_dim, hidden, 3)
        self.cross_scale = CrossScaleAttention(in_dim)

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> CiaoSRState:
        C, h, w = features.shape[1:]
        nonlocal_ = self.cross_scale(features).permute(0, 2, 3, 1).contiguous()
        key_weight, value_weight = self.key_mlp.first_weight, self.value_mlp.first_weight
        return CiaoSRState(
            padded=F.pad(features, (1, 1, 1, 1)).permute(0, 2, 3, 1).contiguous(),
            nonlocal_=nonlocal_,
            first_key=linear_on_unfold(features, key_weight, self.key_mlp.first_bias),
            first_value=linear_on_unfold(features, value_weight[:, : 9 * C], self.value_mlp.first_bias)
            + linear(nonlocal_, value_weight[:, 9 * C :]),
            cell=relative_cell(cell, (h, w)),
            reach=corner_reach(cell[:, 0], (h, w)),
        )

    def prepare_window(
        self, features: Float[Tensor, "B C n m"], cell: Float[Tensor, "B #Q 2"], lr_size: tuple[int, int]
    ) -> CiaoSRState:
        state: CiaoSRState = super().prepare_window(features, cell, lr_size)
        return state._replace(reach=in_window(corner_reach(cell[:, 0], lr_size), lr_size, features))

    def of_queries(self, state: CiaoSRState, queries: slice) -> CiaoSRState:
        return state._replace(cell=for_queries(state.cell, queries))

    def query(self, state: CiaoSRState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        size = state.nonlocal_.shape[1:3]
        corners = four_corners(coords, size, state.reach)
        rel = corners.rel.to(state.padded.dtype)

        def key(t: int) -> Float[Tensor, "B Q k"]:
            at = corners.at[..., t]
            factor = self.key_mlp.forward_from(gather(state.first_key, at), rel[..., t, :], state.cell)
            return factor * gather3x3(state.padded, at)

        def value(t: int) -> Float[Tensor, "B Q v"]:
            at = corners.at[..., t]
            factor = self.value_mlp.forward_from(gather(state.first_value, at), rel[..., t, :], state.cell)
            return factor * torch.cat([gather3x3(state.padded, at), gather(state.nonlocal_, at)], dim=-1)

        return self.rgb_mlp(attend(gather3x3(state.padded, nearest(coords, size)), key, value))


def corner_reach(cell: Float[Tensor, "B 2"], lr_size: tuple[int, ...]) -> Float[Tensor, "B 2"]:
    """The distance along each axis at which corners are looked for."""
    return (1 - cell) / (lengths(lr_size, cell) - 1).clamp(min=1)


def attend(
    query: Float[Tensor, "*N k"],
    key: Callable[[int], Float[Tensor, "*N k"]],
    value: Callable[[int], Float[Tensor, "*N v"]],
) -> Float[Tensor, "*N v"]:
    """`sum_t softmax_t(query . key_t) value_t` over the four corners, whose keys and values are held one at a time."""
    weights = softmax(torch.stack([(query * key(t)).sum(-1) for t in range(4)], dim=-1), dim=-1)
    z = weights[..., :1] * value(0)
    for t in (1, 2, 3):
        z = z + weights[..., t : t + 1] * value(t)
    return z.to(query)


def gather3x3(padded: Float[Tensor, "B H W C"], at: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q 9*C"]:
    """U(F) at flat positions `row * w + column` of the image inside the padding."""
    stride = padded.shape[2]
    corner = at + at // (stride - 2) * 2  # two more for each row above
    steps = torch.arange(3, device=at.device)
    around = (steps[:, None] * stride + steps).flatten()
    return gather(padded, corner.unsqueeze(-1) + around).transpose(-1, -2).flatten(-2)
