"""The plain form of each decoder: the equations as the papers state them, with nothing shared and nothing factored.

`plain_form(decoder)` shares the decoder's parameters and keeps its contract (`prepare`, `query`, `lr_skip`). It runs the
whole MLP at each of the four corners of every pixel, in PyTorch's own layers, which is the form that the papers count
and time. Here it is the oracle of the tests and the "plain" row of the tables. Everything else runs the factored forms,
which give the same pixels for less work.
"""

from functools import singledispatch
from typing import Any, Generic, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder, for_queries
from lmf_sr.decoders.ciaosr import CiaoSR, corner_reach
from lmf_sr.decoders.cross_scale import CrossScaleAttention, in_blocks, pad_to_even
from lmf_sr.decoders.layers import MLP, softmax, unfold3x3
from lmf_sr.decoders.liif import LIIF
from lmf_sr.decoders.lte import LTE, fourier, waves
from lmf_sr.geometry import ensemble, four_corners, gather, nearest, relative_cell
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.lmf.lm_ciaosr import LMCiaoSR
from lmf_sr.lmf.lm_liif import LMLIIF
from lmf_sr.lmf.lm_lte import LMLTE

D = TypeVar("D", bound=Decoder)


@singledispatch
def plain_form(decoder: Decoder) -> Decoder:
    """The plain form of a decoder, on the same parameters; the decoder itself where it has nothing factored."""
    return decoder


def run(mlp: MLP, x: Float[Tensor, "*N i"]) -> Float[Tensor, "*N o"]:
    """The MLP, layer after layer."""
    *hidden, last = mlp.linears
    for layer in hidden:
        x = F.linear(x, layer.weight, layer.bias).relu_()
    return F.linear(x, last.weight, last.bias)


def cross_scale(net: CrossScaleAttention, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
    """N(F), patch by patch."""

    def attend(features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        h, w = features.shape[-2:]
        features = pad_to_even(features)
        H, W = features.shape[-2:]
        queries = F.unfold(net.match(features), kernel_size=3, padding=1)
        keys = F.unfold(net.reference(F.avg_pool2d(features, 2)), kernel_size=3, padding=1)
        patches = F.unfold(net.embed(features), kernel_size=6, stride=2, padding=2)
        keys = F.normalize(keys, dim=1, eps=1e-4)
        attention = softmax(10 * (keys.transpose(1, 2) @ queries), dim=1)
        enlarged = F.fold(patches @ attention.to(patches), (2 * H, 2 * W), kernel_size=6, stride=2, padding=2)
        return net.down(enlarged)[..., :h, :w] / 6

    return in_blocks(features, attend)


class PlainState(NamedTuple):
    latents: Float[Tensor, "B h w C"]
    cell: Float[Tensor, "B #Q 2"]  # relative


class Plain(Decoder, Generic[D]):
    def __init__(self, decoder: D) -> None:
        super().__init__()
        self.decoder: D = decoder
        self.lr_skip = decoder.lr_skip

    def of_queries(self, state: Any, queries: slice) -> Any:
        return state._replace(cell=for_queries(state.cell, queries))


@plain_form.register(LIIF)
class PlainLIIF(Plain[LIIF]):
    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> PlainState:
        return PlainState(unfold3x3(features), relative_cell(cell, features.shape[-2:]))

    def query(self, state: PlainState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        corners = four_corners(coords, state.latents.shape[1:3])
        rel = corners.rel.to(state.latents.dtype)
        cell = state.cell.unsqueeze(2).expand_as(rel)
        inputs = torch.cat([gather(state.latents, corners.at), rel, cell], dim=-1)
        return ensemble(run(self.decoder.mlp, inputs), corners.weight.to(rel.dtype))


@plain_form.register(LTE)
class PlainLTE(Plain[LTE]):
    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> PlainState:
        d = self.decoder
        return PlainState(waves(d.coef, d.freq, features), relative_cell(cell, features.shape[-2:]))

    def query(self, state: PlainState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        corners = four_corners(coords, state.latents.shape[1:3])
        rel = corners.rel.to(state.latents.dtype)
        phase = self.decoder.phase(state.cell.unsqueeze(2).expand_as(rel))
        inputs = fourier(gather(state.latents, corners.at), rel, phase)
        return ensemble(run(self.decoder.mlp, inputs), corners.weight.to(rel.dtype))


class PlainCiaoSRState(NamedTuple):
    values: Float[Tensor, "B h w C"]  # [U(F), N(F)]
    cell: Float[Tensor, "B #Q 2"]  # relative
    reach: Float[Tensor, "B 2"]


@plain_form.register(CiaoSR)
class PlainCiaoSR(Plain[CiaoSR]):
    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> PlainCiaoSRState:
        size = features.shape[-2:]
        values = torch.cat(
            [unfold3x3(features), cross_scale(self.decoder.cross_scale, features).permute(0, 2, 3, 1)], dim=-1
        )
        return PlainCiaoSRState(values, relative_cell(cell, size), corner_reach(cell[:, 0], size))

    def query(self, state: PlainCiaoSRState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        size, channels = state.values.shape[1:3], state.values.shape[3] // 10 * 9
        corners = four_corners(coords, size, state.reach)
        rel = corners.rel.to(state.values.dtype)
        cell = state.cell.unsqueeze(2).expand_as(rel)
        query = gather(state.values, nearest(coords, size))[..., :channels]
        value = gather(state.values, corners.at)
        key = value[..., :channels]
        key = run(self.decoder.key_mlp, torch.cat([key, rel, cell], dim=-1)) * key
        value = run(self.decoder.value_mlp, torch.cat([value, rel, cell], dim=-1)) * value
        attention = (query.unsqueeze(2) * key).sum(-1).softmax(-1)
        return run(self.decoder.rgb_mlp, ensemble(value, attention))


C = TypeVar("C", bound=Conversion)


@plain_form.register(Conversion)
class PlainConversion(Plain[C]):
    """Any conversion: the whole modulated render MLP at every corner."""

    def latents(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B h w O"]:
        return self.decoder.latents(features, cell)

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> PlainState:
        cell = relative_cell(cell[:, :1], features.shape[-2:])
        return PlainState(self.latents(features, cell[:, 0]), cell)

    def query(self, state: PlainState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        d = self.decoder
        corners = d.corners(coords, state.latents.shape[1:3])
        rel = corners.rel.to(state.latents.dtype)
        alpha, beta, code = d.parts(gather(state.latents, corners.at))
        y = d.render_input(code, rel, state.cell.unsqueeze(2).expand_as(rel))
        *hidden, last = d.render_mlp.linears
        for layer, a, b in zip(hidden, alpha.split(d.width, -1), beta.split(d.width, -1), strict=True):
            y = torch.relu(F.linear(y, layer.weight, layer.bias) * (1 + a) + b)
        return ensemble(F.linear(y, last.weight, last.bias), corners.weight.to(rel.dtype))


@plain_form.register(LMLIIF)
class PlainLMLIIF(PlainConversion[LMLIIF]):
    def latents(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B h w O"]:
        unfolded = unfold3x3(features)
        cell = cell[:, None, None].expand(*unfolded.shape[:3], 2)
        return self.decoder.with_code(run(self.decoder.latent_mlp, torch.cat([unfolded, cell], dim=-1)), unfolded)


@plain_form.register(LMLTE)
class PlainLMLTE(PlainConversion[LMLTE]):
    def latents(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B h w O"]:
        d = self.decoder
        coefficients = waves(d.coef, d.freq, features)
        phase = d.phase(cell[:, None, None].expand(*coefficients.shape[:3], 2))
        return d.with_code(run(d.latent_mlp, fourier(coefficients, features.new_ones(2), phase)), coefficients)


@plain_form.register(LMCiaoSR)
class PlainLMCiaoSR(PlainConversion[LMCiaoSR]):
    def latents(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B h w O"]:
        B, dim, h, w = features.shape
        unfolded = unfold3x3(features)
        block = unfolded.reshape(B, h, w, 3, 3, dim)
        nonlocal_ = cross_scale(self.decoder.cross_scale, features).permute(0, 2, 3, 1)
        cell = cell[:, None, None].expand(B, h, w, 2)
        query = run(self.decoder.query_mlp, unfolded)
        logits, values = [], []
        for i in (-1, 1):
            for j in (-1, 1):
                t, l = max(j, 0), max(i, 0)
                key = block[..., t : t + 2, l : l + 2, :].flatten(-3)
                value = torch.cat([key, nonlocal_], dim=-1)
                rel = features.new_tensor([-i / h, -j / w]).expand(B, h, w, 2)
                key = run(self.decoder.key_mlp, torch.cat([key, rel, cell], dim=-1)) * key
                logits.append((query * key).sum(-1))
                values.append(run(self.decoder.value_mlp, torch.cat([value, rel, cell], dim=-1)) * value)
        attention = torch.stack(logits, dim=-1).softmax(-1)
        z = (torch.stack(values, dim=-2) * attention.unsqueeze(-1)).sum(-2)
        return self.decoder.with_code(run(self.decoder.latent_mlp, z), z)
