"""LMF: Latent Modulated Function (He & Jin, CVPR 2024): the part that the three conversions share.

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

Options take parts of this away, to see what they are worth: alpha or beta (`modulation`), the local ensemble
(`ensemble`; without it a query sees only the nearest latent), and the compression of the code. (With `code_dim` None the
render MLP is fed the base method's own code, and the latent MLP makes modulations alone.)

A conversion defines the input of its latent MLP (`latents`) and that of its render MLP (`render_input`), and nothing else.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.decoders.layers import MLP
from lmf_sr.geometry import FourCorners, ensemble, four_corners, gather, nearest_corner, relative_cell

# Scale of the initial modulation weights, relative to PyTorch's default. Random initial modulations must first be unlearned,
# so near-zero ones train faster (Peebles & Xie, ICCV 2023, "adaLN-Zero"). Exactly zero would make all latents look alike to
# CMSR.
FRESH_MODULATIONS = 0.1
MODULATIONS = {"both": ("scale", "shift"), "scale": ("scale",), "shift": ("shift",)}


class LMFState(NamedTuple):
    """An image at one cell, ready to be rendered.

    modulations: per LR position `[gain (L*D), offset (L*D), code (K)]`, layer 0 first; K = 0 where the code is folded away.
    strengths: the means over the channels of each layer of |alpha| and of |beta|, which CMSR goes by (`cmsr/measures.py`);
        only those of what is modulated (`MODULATIONS`).
    cell: the relative cell of each image.
    """

    modulations: Float[Tensor, "B h w C"]
    strengths: Float[Tensor, "B h w M L"]
    cell: Float[Tensor, "B 2"]

    @property
    def intensity(self) -> Float[Tensor, "B h w"]:
        """The paper's modulation intensity (section 3.4): mean of |beta| over layers and channels; of |alpha| where there is
        no beta."""
        return self.strengths[..., -1, :].mean(-1)


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """The options that all conversions share.

    Args:
        depth: hidden layers L of the render MLP.
        width: their width D.
        code_dim: size K of the compressed code; None for no compression.
        hidden: hidden width of the latent MLP; None for its output size, `2*L*D + K`, as in the paper.
        modulation: "both", or only "scale" (alpha) or "shift" (beta).
        ensemble: whether the four corners are combined; else the nearest latent is taken.
    """

    depth: int
    width: int = 16
    code_dim: int | None
    hidden: int | None = None
    modulation: str = "both"
    ensemble: bool = True

    def __post_init__(self) -> None:
        if self.modulation not in MODULATIONS:
            raise ValueError(f"there is no modulation {self.modulation!r}; choose one of {', '.join(MODULATIONS)}")


KERNEL_WIDTH = 16  # width, and waves, of the render MLPs that the compiled and the GPU renderer know


class Conversion(Decoder):
    """The part of an LMF decoder that does not depend on the base method.

    Args:
        latent_dim: size of the latent MLP's input.
        own_code_dim: size of the code without compression.
        input_dim: size of the render MLP's input.
        options: the options that all conversions share.
    """

    is_conversion = True

    def __init__(self, *, latent_dim: int, own_code_dim: int, input_dim: int, options: RenderOptions) -> None:
        super().__init__()
        self.depth, self.width = options.depth, options.width
        self.modulation, self.ensemble = options.modulation, options.ensemble
        self.compressed = options.code_dim is not None
        self.code_dim = own_code_dim if options.code_dim is None else options.code_dim
        modulations = len(MODULATIONS[options.modulation]) * options.depth * options.width
        latent = modulations + (options.code_dim or 0)
        self.latent_mlp = MLP(latent_dim, [options.hidden or latent], latent)
        self.render_mlp = MLP(input_dim, [options.width] * options.depth, 3)
        with torch.no_grad():
            for parameter in self.latent_mlp.linears[-1].parameters():
                parameter[:modulations] *= FRESH_MODULATIONS

    # The methods that a conversion defines

    def latents(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B h w O"]:
        """`[alpha, beta, code]` at every LR position, for the relative cell of each image.

        That is the latent MLP's output, followed by the code where it is not compressed.
        """
        raise NotImplementedError

    def render_input(
        self, code: Float[Tensor, "*N K"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N i"]:
        """The render MLP's input y_0, per corner of a query."""
        raise NotImplementedError

    # The methods that it may define, to make a part of W_0 y_0 at LR (`LinearFirst`)

    def first_layer_at_lr(
        self, cell: Float[Tensor, "B 2"]
    ) -> tuple[Float[Tensor, "D K"], Float[Tensor, "B D"] | None] | None:
        """The part `W code + b` of `W_0 y_0` that is known at LR: W and, for each relative cell, b (None for zeros).

        None where there is no such part. Where there is one, the code is not needed at HR.
        """
        return None

    def input_at_hr(
        self, code: Float[Tensor, "*N k"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N i"]:
        """The input that `render_weights[0]` multiplies, per corner of a query."""
        return self.render_input(code, rel, cell)

    @property
    def render_weights(self) -> list[Float[Tensor, "o i"]]:
        """The matrices applied at HR: W_0 on `input_at_hr`, then W_1 .. W_{L-1}, and the last layer's W_L."""
        return [layer.weight for layer in self.render_mlp.linears]

    @property
    def hidden_bias(self) -> Float[Tensor, " M"]:
        """The biases of the render MLP's hidden layers, one after the other."""
        return torch.cat([layer.bias for layer in self.render_mlp.linears[:-1]])

    # The properties that the compiled and the GPU renderer read

    @property
    def kernel_waves(self) -> int | None:
        """The waves, so many amplitudes and as many frequencies, that they feed the render MLP; 0 where they feed it rel.

        None where `input_at_hr` is neither.
        """
        return None

    @property
    def has_kernel(self) -> bool:
        return self.width == KERNEL_WIDTH and self.kernel_waves in (0, KERNEL_WIDTH)

    def phases(self, cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B k"] | None:
        """The phases of the waves at a relative cell; None where the input is rel."""
        return None

    @property
    def has_latent_kernel(self) -> bool:
        """Whether its first convolution is known and its sizes are whole vectors."""
        sizes = self.latent_mlp.linears[-1].in_features, self.width, self.code_dim
        return (
            self.latent_waves is not None
            and self.latent_waves % (2 * KERNEL_WIDTH) == 0
            and self.modulation == "both"
            and self.compressed
            and not any(size % KERNEL_WIDTH for size in sizes)
        )

    @property
    def latent_waves(self) -> int | None:
        """The amplitudes that the latent MLP's first convolution makes for waves, 0 where relu follows it.

        None where it does not begin with a `convolution`: then PyTorch computes it.
        """
        return None

    def convolution(self, cell: Float[Tensor, "B 2"]) -> tuple[Float[Tensor, "o i"], Float[Tensor, "B o"]]:
        """Weight and, for each cell, bias of that convolution, as a linear layer on U(F)."""
        raise NotImplementedError

    # The two steps

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> LMFState:
        """Makes the modulations. All queries of an image share one cell, the first, as in the authors' code."""
        cell = relative_cell(cell[:, 0], features.shape[-2:])
        return self.fold(self.latents(features, cell), cell)

    def fold(self, latents: Float[Tensor, "B h w O"], cell: Float[Tensor, "B 2"]) -> LMFState:
        """The state, into whose modulations everything is folded that does not vary within a latent's reach."""
        alpha, beta, code = self.parts(latents)
        bias = self.hidden_bias
        if (part := self.first_layer_at_lr(cell)) is not None:
            known = F.linear(code, part[0])
            if part[1] is not None:
                known = known + part[1][:, None, None]
            bias = torch.cat([known + bias[: self.width], bias[self.width :].expand(*known.shape[:3], -1)], dim=-1)
            code = code[..., :0]
        gain = 1 + alpha
        modulations = torch.cat([gain, torch.addcmul(beta, gain, bias), code], dim=-1)
        made = latents[..., : len(MODULATIONS[self.modulation]) * self.depth * self.width]
        strengths = made.abs().unflatten(-1, (-1, self.depth, self.width)).mean(-1)
        return LMFState(modulations, strengths, cell)

    def with_code(self, made: Float[Tensor, "*N o"], code: Float[Tensor, "*N k"]) -> Float[Tensor, "*N O"]:
        """The latent MLP's output, followed by the base method's own code where that is not compressed."""
        return made if self.compressed else torch.cat([made, code], dim=-1)

    def parts(
        self, latents: Float[Tensor, "*N O"]
    ) -> tuple[Float[Tensor, "*N M"], Float[Tensor, "*N M"], Float[Tensor, "*N K"]]:
        """alpha, beta and code, with zeros where there is no such modulation."""
        made = MODULATIONS[self.modulation]
        *modulations, code = latents.split([self.depth * self.width] * len(made) + [self.code_dim], dim=-1)
        found = dict(zip(made, modulations, strict=True))
        none = torch.zeros_like(modulations[0])
        return found.get("scale", none), found.get("shift", none), code

    def at_cell(self, state: LMFState, cell: Float[Tensor, "B 2"]) -> LMFState:
        """The state with the same modulations and another cell in the render input.

        CMSR renders its coarser grids from it. It is `prepare` at that cell, but with the latent MLP's output for the
        state's own cell.
        """
        cell = relative_cell(cell, state.modulations.shape[1:3])
        shift = self.shift_to(state, cell)
        if shift is None:
            return state._replace(cell=cell)
        modulations = state.modulations.clone()
        gain, offset, _ = self.split_modulations(modulations)
        offset[..., 0, :].addcmul_(gain[..., 0, :], shift[:, None, None])
        return state._replace(modulations=modulations, cell=cell)

    def shift_to(self, state: LMFState, cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B D"] | None:
        """The summand of `W_0 y_0` for another relative cell, where the state's own is folded away; None where it is not."""
        return None

    def query(self, state: LMFState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        corners = self.corners(coords, state.modulations.shape[1:3])
        dtype = state.modulations.dtype
        L, D = self.depth, self.width
        latents = gather(state.modulations, corners.at)
        sizes = [D] * (2 * L) + [latents.shape[-1] - 2 * L * D]
        *modulations, code = latents.split(sizes, dim=-1)  # one split, one gradient
        y = self.input_at_hr(code, corners.rel.to(dtype), state.cell[:, None, None])
        *hidden, last = self.render_weights
        for W, gain, offset in zip(hidden, modulations[:L], modulations[L:], strict=True):
            y = torch.addcmul(offset, gain, F.linear(y, W)).relu_()
        return F.linear(ensemble(y, corners.weight.to(dtype)), last, self.render_mlp.linears[-1].bias)

    def corners(self, coords: Float[Tensor, "B Q 2"], lr_size: tuple[int, ...]) -> FourCorners:
        """The latents that a query sees."""
        return (four_corners if self.ensemble else nearest_corner)(coords, lr_size)

    def split_modulations(
        self, modulations: Float[Tensor, "*N C"]
    ) -> tuple[Float[Tensor, "*N L D"], Float[Tensor, "*N L D"], Float[Tensor, "*N k"]]:
        """Splits a state's modulations into gain, offset and code."""
        size = 2 * self.depth * self.width
        gain, offset = modulations[..., :size].unflatten(-1, (2, self.depth, self.width)).unbind(-3)
        return gain, offset, modulations[..., size:]


class LinearFirst(Conversion):
    """A conversion whose render MLP is fed `[code, rel]`, or `[code, rel, relative cell]` if `sees_cell`.

    The code and the cell are folded away at LR, so that the state holds no code and the input at HR is `rel`.
    """

    sees_cell: bool

    def __init__(self, *, latent_dim: int, own_code_dim: int, options: RenderOptions) -> None:
        code = own_code_dim if options.code_dim is None else options.code_dim
        input_dim = code + (4 if self.sees_cell else 2)
        super().__init__(latent_dim=latent_dim, own_code_dim=own_code_dim, input_dim=input_dim, options=options)

    @property
    def kernel_waves(self) -> int:
        return 0

    def render_input(
        self, code: Float[Tensor, "*N K"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N i"]:
        return torch.cat([code, rel, cell.expand_as(rel)] if self.sees_cell else [code, rel], dim=-1)

    def shift_to(self, state: LMFState, cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B D"] | None:
        W = self.render_mlp.linears[0].weight
        return F.linear(cell - state.cell, W[:, self.code_dim + 2 :]) if self.sees_cell else None

    def first_layer_at_lr(self, cell: Float[Tensor, "B 2"]) -> tuple[Float[Tensor, "D K"], Float[Tensor, "B D"] | None]:
        W = self.render_mlp.linears[0].weight
        return W[:, : self.code_dim], F.linear(cell, W[:, self.code_dim + 2 :]) if self.sees_cell else None

    def input_at_hr(
        self, code: Float[Tensor, "*N 0"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N 2"]:
        return rel

    @property
    def render_weights(self) -> list[Float[Tensor, "o i"]]:
        # Not by `super()`, whose properties torch.compile cannot read.
        first, *others = (layer.weight for layer in self.render_mlp.linears)
        return [first[:, self.code_dim : self.code_dim + 2], *others]
