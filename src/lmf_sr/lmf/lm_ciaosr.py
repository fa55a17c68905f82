"""LM-CiaoSR, the LMF conversion of CiaoSR (He & Jin, CVPR 2024).

    latent MLP input     z (320), attended at every LR position
    render MLP input     [z_c, rel],     z_c the compressed code (32)

with L = 8 hidden layers; the bilinear LR image is added. The attention is CiaoSR's, with the query q = MLP(U(F)) (256)
and four keys cut out of U(F) (576). For this U(F) is read as a block of 3 x 3 x 64, of which the corner (i, j) in {-1, 1}^2
takes the 2 x 2 x 64 that starts at row (j+1)/2 and column (i+1)/2. (U(F) is not laid out that way. The quirk is
kept for the published weights.) The value is the key followed by N(F), and rel = (-i/h, -j/w).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.ciaosr import attend
from lmf_sr.decoders.cross_scale import BLOCK, CrossScaleAttention
from lmf_sr.decoders.layers import MLP, CornerMLP, bands, unfold3x3
from lmf_sr.geometry import lengths, numbers_like, relative_cell
from lmf_sr.linear import linear
from lmf_sr.lmf.conversion import LinearFirst, LMFState, RenderOptions

CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))


class LMCiaoSR(LinearFirst):
    original = "ciaosr"
    lr_skip = True
    sees_cell = False
    receptive_halo = 2 * BLOCK - 1  # the last block of an axis is this long at most
    tile_multiple = BLOCK
    positions_at_once = 4096  # LR positions whose U(F) and attention are made at once
    positions_at_once_on_gpu = 2**17  # 0.3 GB of U(F), so that a batch of training patches takes two bands, not fifty

    def __init__(
        self,
        in_dim: int,
        *,
        depth: int = 8,
        width: int = 16,
        code_dim: int | None = 32,
        hidden: int | None = None,
        attention_width: int = 256,
        modulation: str = "both",
        ensemble: bool = True,
    ) -> None:
        options = RenderOptions(
            depth=depth, width=width, code_dim=code_dim, hidden=hidden, modulation=modulation, ensemble=ensemble
        )
        super().__init__(latent_dim=5 * in_dim, own_code_dim=5 * in_dim, options=options)
        self.query_mlp = MLP(9 * in_dim, [attention_width], 4 * in_dim)
        self.key_mlp = CornerMLP(4 * in_dim, [attention_width], 4 * in_dim)
        self.value_mlp = CornerMLP(5 * in_dim, [attention_width], 5 * in_dim)
        self.cross_scale = CrossScaleAttention(in_dim)

    def prepare_window(
        self, features: Float[Tensor, "B C n m"], cell: Float[Tensor, "B #Q 2"], lr_size: tuple[int, int]
    ) -> LMFState:
        cell = relative_cell(cell[:, 0], lr_size)
        return self.fold(self.latents_within(features, cell, lr_size), cell)

    def latents(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B h w O"]:
        return self.latents_within(features, cell, (features.shape[-2], features.shape[-1]))

    def latents_within(
        self, features: Float[Tensor, "B C n m"], cell: Float[Tensor, "B 2"], lr_size: tuple[int, int]
    ) -> Float[Tensor, "B n m O"]:
        """The latents of a window of the features of a picture of `lr_size`.

        They are made in bands of rows, which bounds the memory that U(F) and the attention take.
        """
        B, _, n, m = features.shape
        nonlocal_ = self.cross_scale(features).permute(0, 2, 3, 1)
        padded = F.pad(features, (1, 1, 1, 1))
        rel = -numbers_like(CORNERS, features) / lengths(lr_size, features)
        made = []
        positions = self.positions_at_once if features.device.type == "cpu" else self.positions_at_once_on_gpu
        for top, bottom in bands(n, B * m, positions):
            unfolded = unfold3x3(padded[:, :, top : bottom + 2], padding=0)
            z = self.attended(unfolded, nonlocal_[:, top:bottom], rel, cell)
            made.append(self.with_code(self.latent_mlp(z), z))
        return torch.cat(made, dim=1)

    def attended(
        self,
        unfolded: Float[Tensor, "B n w u"],
        nonlocal_: Float[Tensor, "B n w C"],
        rel: Float[Tensor, "4 2"],
        cell: Float[Tensor, "B 2"],
    ) -> Float[Tensor, "B n w z"]:
        """z: each position's attention to its four corners."""
        block = unfolded.unflatten(-1, (3, 3, -1))

        def part(t: int) -> Float[Tensor, "B n w k"]:
            row, col = (max(sign, 0) for sign in reversed(CORNERS[t]))
            return block[..., row : row + 2, col : col + 2, :].flatten(-3)

        def modulated(mlp: CornerMLP, x: Float[Tensor, "B n w k"], t: int) -> Float[Tensor, "B n w k"]:
            first = linear(x, mlp.first_weight, mlp.first_bias)
            return mlp.forward_from(first, rel[t], cell[:, None, None]) * x

        return attend(
            self.query_mlp(unfolded),
            key=lambda t: modulated(self.key_mlp, part(t), t),
            value=lambda t: modulated(self.value_mlp, torch.cat([part(t), nonlocal_], dim=-1), t),
        )
