"""LTE: Local Texture Estimator (Lee & Jin, CVPR 2022).

Every latent holds K amplitudes `coef` and K/2 frequencies `freq` (pairs: row, column), each a 3x3 convolution of the
features; the phases are a linear function of the relative cell. At each of the four latents t around a query,

    f_k   = freq[2k] rel_row + freq[2k+1] rel_col + phase_k                       k = 0 .. K/2 - 1
    rgb_t = MLP(coef * [cos(pi f), sin(pi f)]),        rgb = sum_t w_t rgb_t      (local ensemble)

with K = 256 and an MLP of 3 hidden layers of 256; the bilinear LR image is added. The phases are the same at all corners and
the ensemble's weights sum to 1, so phases and last layer are computed once per pixel. (`plain.py` has the literal form.)
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.decoders.base import Decoder, for_queries
from lmf_sr.decoders.layers import MLP, linear_on_unfold
from lmf_sr.geometry import ensemble, four_corners, gather, relative_cell


class LTEState(NamedTuple):
    waves: Float[Tensor, "B h w W"]  # [coef, freq]
    phase: Float[Tensor, "B #Q k"]


class LTE(Decoder):
    lr_skip = True

    def __init__(self, in_dim: int, width: int = 256, depth: int = 3, fourier_dim: int = 256) -> None:
        """`depth` hidden layers of `width` on `fourier_dim` Fourier features of `in_dim` features."""
        super().__init__()
        self.coef = nn.Conv2d(in_dim, fourier_dim, 3, padding=1)
        self.freq = nn.Conv2d(in_dim, fourier_dim, 3, padding=1)
        self.phase = nn.Linear(2, fourier_dim // 2, bias=False)
        self.mlp = MLP(fourier_dim, [width] * depth, 3)

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> LTEState:
        phase = self.phase(relative_cell(cell, features.shape[-2:]))
        return LTEState(waves(self.coef, self.freq, features), phase)

    def of_queries(self, state: LTEState, queries: slice) -> LTEState:
        return state._replace(phase=for_queries(state.phase, queries))

    def query(self, state: LTEState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        corners = four_corners(coords, state.waves.shape[1:3])
        dtype = state.waves.dtype
        y = fourier(gather(state.waves, corners.at), corners.rel.to(dtype), state.phase.unsqueeze(2))
        return self.mlp.linears[-1](ensemble(self.mlp.hidden(y), corners.weight.to(dtype)))


def waves(coef: nn.Conv2d, freq: nn.Conv2d, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B h w W"]:
    """`[coef, freq]` of every latent: the two convolutions as one."""
    weights, biases = zip(*(layer.parameters() for layer in (coef, freq)), strict=True)
    return linear_on_unfold(features, torch.cat(weights).flatten(1), torch.cat(biases))


def fourier(
    waves: Float[Tensor, "*N W"], rel: Float[Tensor, "*#N 2"], phase: Float[Tensor, "*#N k"]
) -> Float[Tensor, "*N K"]:
    """`coef * [cos(pi f), sin(pi f)]`: the waves of latents, seen at `rel`."""
    coef, freq = waves.chunk(2, dim=-1)
    f = torch.pi * (freq[..., 0::2] * rel[..., :1] + freq[..., 1::2] * rel[..., 1:] + phase)
    return coef * torch.cat([f.cos(), f.sin()], dim=-1)
