"""The plain form of each decoder: the equations as the papers state them, with nothing shared and nothing factored.

`plain_form(decoder)` shares the decoder's parameters and keeps its contract (`prepare`, `query`, `lr_skip`). It is what
the papers count and time: the whole MLP at each of the four corners of every pixel. Here it is the oracle of the tests and
the "plain" row of the tables; everything else runs the factored forms, which give the same pixels for less work.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders import Decoder
from lmf_sr.decoders.layers import unfold3x3
from lmf_sr.decoders.liif import LIIF
from lmf_sr.geometry import ensemble, four_corners, gather, relative_cell
from lmf_sr.lmf.lm_liif import LMLIIF


def plain_form(decoder: Decoder) -> Decoder:
    """The plain form of a decoder, on the same parameters."""
    if isinstance(decoder, LIIF):
        return PlainLIIF(decoder)
    if isinstance(decoder, LMLIIF):
        return PlainLMLIIF(decoder)
    raise TypeError(f"{type(decoder).__name__} has no plain form")


class PlainState(NamedTuple):
    latents: Float[Tensor, "B h w C"]
    cell: Float[Tensor, "B #Q 2"]  # relative


class PlainLIIF(Decoder):
    def __init__(self, decoder: LIIF) -> None:
        super().__init__()
        self.decoder = decoder
        self.lr_skip = decoder.lr_skip

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> PlainState:
        return PlainState(unfold3x3(features), relative_cell(cell, features.shape[-2:]))

    def query(self, state: PlainState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        corners = four_corners(coords, state.latents.shape[1:3])
        rel = corners.rel.to(state.latents.dtype)
        cell = state.cell.unsqueeze(2).expand_as(rel)
        inputs = torch.cat([gather(state.latents, corners.at), rel, cell], dim=-1)
        return ensemble(self.decoder.mlp(inputs), corners.weight.to(rel.dtype))


class PlainLMLIIF(Decoder):
    def __init__(self, decoder: LMLIIF) -> None:
        super().__init__()
        self.decoder = decoder
        self.lr_skip = decoder.lr_skip

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> PlainState:
        unfolded = unfold3x3(features)
        cell = relative_cell(cell[:, :1], features.shape[-2:])
        inputs = torch.cat([unfolded, cell.unsqueeze(1).expand(*unfolded.shape[:3], 2)], dim=-1)
        return PlainState(self.decoder.latent_mlp(inputs), cell)

    def query(self, state: PlainState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        corners = four_corners(coords, state.latents.shape[1:3])
        rel = corners.rel.to(state.latents.dtype)
        d = self.decoder
        sizes = [d.depth * d.width, d.depth * d.width, d.code_dim]
        alpha, beta, code = gather(state.latents, corners.at).split(sizes, dim=-1)
        y = torch.cat([code, rel, state.cell.unsqueeze(2).expand_as(rel)], dim=-1)
        *hidden, last = d.render_mlp.linears
        for layer, a, b in zip(hidden, alpha.split(d.width, -1), beta.split(d.width, -1), strict=True):
            y = torch.relu(layer(y) * (1 + a) + b)
        return ensemble(last(y), corners.weight.to(rel.dtype))
