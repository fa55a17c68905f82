"""LMF: Latent Modulated Function (He & Jin, CVPR 2024): what the three conversions share.

A *latent MLP* runs once per LR position and outputs `[alpha (L*D), beta (L*D), code (K)]`. The *render MLP* is small, has L
hidden layers of width D = 16, and is modulated by the latent at each corner t of a query:

    y_0     = render input made of code_t, rel_t and perhaps the relative cell
    y_{l+1} = relu((W_l y_l + b_l) * (1 + alpha_l) + beta_l)                          l = 0 .. L-1
    rgb     = sum_t w_t (W_L y_L + b_L)                                               (local ensemble)

`prepare` moves to LR all that does not vary within a latent's reach, exactly:

    y_{l+1} = relu(gain_l * (W_l y_l) + offset_l),      gain_l = 1 + alpha_l,      offset_l = gain_l * b_l + beta_l

and, where the first layer is linear in the code (LM-LIIF, LM-CiaoSR), W_0 [code, rel, cell] = W_code code + W_rel rel +
W_cell cell, whose first and last terms join offset_0: at HR the first layer sees only `rel` (`LinearFirst`). The weights of
the ensemble sum to 1, so the last layer runs once per pixel, after it. (`plain.py` has the literal form.)

A conversion says what its latent MLP reads (`latents`) and what its render MLP is fed (`render_input`); nothing else.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders import Decoder
from lmf_sr.decoders.layers import MLP
from lmf_sr.geometry import ensemble, four_corners, gather, relative_cell


class LMFState(NamedTuple):
    """An image at one cell, ready to be rendered.

    rows: per LR position `[gain (L*D), offset (L*D), code (K)]`, layer 0 first; K = 0 where the code is folded away.
    intensity: the modulation intensity, mean of |beta| over layers and channels (CMSR, section 3.4 of the paper).
    cell: the relative cell of each image.
    """

    rows: Float[Tensor, "B h w C"]
    intensity: Float[Tensor, "B h w"]
    cell: Float[Tensor, "B 2"]


class Conversion(Decoder):
    """The part of an LMF decoder that does not depend on the base method.

    Args:
        latent_dim: size of the latent MLP's input.
        code_dim: size K of the compressed code.
        input_dim: size of the render MLP's input.
        depth: hidden layers L of the render MLP.
        width: their width D.
        hidden: hidden width of the latent MLP; its output size, `2*L*D + K`, where None (as in the paper).
    """

    def __init__(
        self, latent_dim: int, code_dim: int, input_dim: int, depth: int, width: int, hidden: int | None
    ) -> None:
        super().__init__()
        self.depth, self.width, self.code_dim = depth, width, code_dim
        latent = 2 * depth * width + code_dim
        self.latent_mlp = MLP(latent_dim, [hidden or latent], latent)
        self.render_mlp = MLP(input_dim, [width] * depth, 3)

    # What a conversion defines

    def latents(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B h w O"]:
        """The latent MLP's output `[alpha, beta, code]` at every LR position, for the relative cell of each image."""
        raise NotImplementedError

    def render_input(
        self, code: Float[Tensor, "*N K"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N i"]:
        """The render MLP's input y_0, per corner of a query."""
        raise NotImplementedError

    # What it may define: a part of W_0 y_0 that is known at LR (`LinearFirst`)

    def input_at_lr(
        self, code: Float[Tensor, "B h w K"], cell: Float[Tensor, "B 2"]
    ) -> tuple[Float[Tensor, "B h w D"] | None, Float[Tensor, "B h w k"]]:
        """Splits the code's work: the part of `W_0 y_0` known at LR (None if there is none), and the code left for HR."""
        return None, code

    def input_at_hr(
        self, code: Float[Tensor, "*N k"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N i"]:
        """What `render_weights[0]` multiplies, per corner of a query."""
        return self.render_input(code, rel, cell)

    @property
    def render_weights(self) -> list[Float[Tensor, "o i"]]:
        """The matrices applied at HR: W_0 on `input_at_hr`, then W_1 .. W_{L-1}, and the last layer's W_L."""
        return [layer.weight for layer in self.render_mlp.linears]

    # The two steps

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> LMFState:
        """Makes the modulations. All queries of an image share one cell: the first is taken, as in the authors' code."""
        cell = relative_cell(cell[:, 0], features.shape[-2:])
        return self.fold(self.latents(features, cell), cell)

    def fold(self, latents: Float[Tensor, "B h w O"], cell: Float[Tensor, "B 2"]) -> LMFState:
        """The state: with all folded into its rows that does not vary within a latent's reach."""
        modulations = self.depth * self.width
        alpha, beta, code = latents.split([modulations, modulations, self.code_dim], dim=-1)
        bias = torch.cat([layer.bias for layer in self.render_mlp.linears[:-1]])
        known, code = self.input_at_lr(code, cell)
        if known is not None:
            bias = torch.cat([known + bias[: self.width], bias[self.width :].expand(*known.shape[:3], -1)], dim=-1)
        gain = 1 + alpha
        rows = torch.cat([gain, torch.addcmul(beta, gain, bias), code], dim=-1)
        return LMFState(rows, beta.abs().mean(-1), cell)

    def at_cell(self, state: LMFState, cell: Float[Tensor, "B 2"]) -> LMFState:
        """The state with the same modulations and another cell in the render input: what CMSR's coarser grids are rendered
        from, and `prepare` at that cell but for its latent MLP."""
        cell = relative_cell(cell, state.rows.shape[1:3])
        shift = self.shift_to(state, cell)
        if shift is None:
            return state._replace(cell=cell)
        rows = state.rows.clone()
        gain, offset, _ = self.split_rows(rows)
        offset[..., 0, :].addcmul_(gain[..., 0, :], shift[:, None, None])
        return state._replace(rows=rows, cell=cell)

    def shift_to(self, state: LMFState, cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B D"] | None:
        """What another relative cell adds to `W_0 y_0`, where the state's own is folded away; None where it is not."""
        return None

    def query(self, state: LMFState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        corners = four_corners(coords, state.rows.shape[1:3])
        dtype = state.rows.dtype
        L, D = self.depth, self.width
        rows = gather(state.rows, corners.at)
        *modulations, code = rows.split([D] * (2 * L) + [rows.shape[-1] - 2 * L * D], dim=-1)  # one split, one gradient
        y = self.input_at_hr(code, corners.rel.to(dtype), state.cell[:, None, None])
        *hidden, last = self.render_weights
        for W, gain, offset in zip(hidden, modulations[:L], modulations[L:], strict=True):
            y = torch.addcmul(offset, gain, F.linear(y, W)).relu_()
        return F.linear(ensemble(y, corners.weight.to(dtype)), last, self.render_mlp.linears[-1].bias)

    def split_rows(
        self, rows: Float[Tensor, "*N C"]
    ) -> tuple[Float[Tensor, "*N L D"], Float[Tensor, "*N L D"], Float[Tensor, "*N k"]]:
        """A state's rows as gain, offset and code."""
        modulations = self.depth * self.width
        gain, offset = rows[..., : 2 * modulations].unflatten(-1, (2, self.depth, self.width)).unbind(-3)
        return gain, offset, rows[..., 2 * modulations :]


class LinearFirst(Conversion):
    """A conversion whose render MLP is fed `[code, rel]`, or `[code, rel, relative cell]` if `sees_cell`.

    The code and the cell are folded away at LR, so that the state holds no code and the input at HR is `rel`.
    """

    sees_cell: bool

    def __init__(self, latent_dim: int, code_dim: int, depth: int, width: int, hidden: int | None) -> None:
        super().__init__(latent_dim, code_dim, code_dim + (4 if self.sees_cell else 2), depth, width, hidden)

    def render_input(
        self, code: Float[Tensor, "*N K"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N i"]:
        return torch.cat([code, rel, cell.expand_as(rel)] if self.sees_cell else [code, rel], dim=-1)

    def shift_to(self, state: LMFState, cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B D"] | None:
        W = self.render_mlp.linears[0].weight
        return F.linear(cell - state.cell, W[:, self.code_dim + 2 :]) if self.sees_cell else None

    def input_at_lr(
        self, code: Float[Tensor, "B h w K"], cell: Float[Tensor, "B 2"]
    ) -> tuple[Float[Tensor, "B h w D"], Float[Tensor, "B h w 0"]]:
        W = self.render_mlp.linears[0].weight
        known = F.linear(code, W[:, : self.code_dim])
        if self.sees_cell:
            known = known + F.linear(cell, W[:, self.code_dim + 2 :])[:, None, None]
        return known, code[..., :0]

    def input_at_hr(
        self, code: Float[Tensor, "*N 0"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N 2"]:
        return rel

    @property
    def render_weights(self) -> list[Float[Tensor, "o i"]]:
        first, *others = super().render_weights
        return [first[:, self.code_dim : self.code_dim + 2], *others]
