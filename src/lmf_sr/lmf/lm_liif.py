"""LM-LIIF, the LMF conversion of LIIF (He & Jin, CVPR 2024).

    latent MLP input     [U(F), relative cell]
    render MLP input     [z, rel, relative cell],     z the compressed code (16)

with L = 6 (8 with SwinIR) hidden layers, and no LR skip.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.layers import linear_on_unfold, unfold3x3
from lmf_sr.lmf.conversion import LinearFirst, RenderOptions


class LMLIIF(LinearFirst):
    original = "liif"
    lr_skip = False
    sees_cell = True

    def __init__(
        self,
        in_dim: int,
        *,
        depth: int = 6,
        width: int = 16,
        code_dim: int | None = 16,
        hidden: int | None = None,
        modulation: str = "both",
        ensemble: bool = True,
    ) -> None:
        options = RenderOptions(
            depth=depth, width=width, code_dim=code_dim, hidden=hidden, modulation=modulation, ensemble=ensemble
        )
        super().__init__(latent_dim=9 * in_dim + 2, own_code_dim=9 * in_dim, options=options)

    @property
    def latent_waves(self) -> int:
        return 0

    def convolution(self, cell: Float[Tensor, "B 2"]) -> tuple[Float[Tensor, "o i"], Float[Tensor, "B o"]]:
        first = self.latent_mlp.linears[0]
        return first.weight[:, :-2], F.linear(cell, first.weight[:, -2:], first.bias)

    def latents(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B h w O"]:
        weight, bias = self.convolution(cell)
        hidden = linear_on_unfold(features, weight) + bias[:, None, None]
        made = self.latent_mlp.linears[-1](hidden.relu_())
        return made if self.compressed else torch.cat([made, unfold3x3(features)], dim=-1)
