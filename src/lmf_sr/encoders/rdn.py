"""RDN without its upsampler (Zhang et al., Residual Dense Network for Image Super-Resolution, CVPR 2018).

    F_-1 = conv(x)    F_0 = conv(F_-1)    F_d = RDB(F_{d-1})    out = F_-1 + conv(conv1x1([F_1, ..., F_D]))

    RDB:  X_0 = F_{d-1}    X_c = [X_{c-1}, relu(conv(X_{c-1}))]    F_d = F_{d-1} + conv1x1(X_C)

All other convolutions are 3x3 with zero padding. Modules are named as in the paper, and so in the published weights:
shallow feature extraction (SFE), residual dense block (RDB), local and global feature fusion (LFF, GFF).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.encoders.base import Encoder
from lmf_sr.encoders.centring import FirstConv2d


class RDN(Encoder):
    """LR image to features.

    Args:
        n_blocks: number of residual dense blocks D.
        n_layers: dense layers C in each block.
        growth: channels G that a dense layer adds.
        n_feats: channels G_0 between blocks, which are also `out_dim`.
        centre: RGB in [-1, 1] that the input is centred on (`centring.py`); None for 0.
    """

    def __init__(
        self,
        n_blocks: int = 16,
        n_layers: int = 8,
        growth: int = 64,
        n_feats: int = 64,
        centre: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.out_dim = n_feats
        self.receptive_halo = 2 + n_blocks * n_layers + 1  # 3x3 convolutions: SFENet1 and 2, dense layers, GFF
        concatenated = n_blocks * n_feats + n_feats + n_layers * growth
        self.activation_bytes = 4 * 2 * concatenated  # twice: while parts are joined, both they and the whole are there
        self.SFENet1 = FirstConv2d(n_feats, centre)
        self.SFENet2 = nn.Conv2d(n_feats, n_feats, 3, padding=1)
        self.RDBs = nn.ModuleList(ResidualDenseBlock(n_feats, n_layers, growth) for _ in range(n_blocks))
        self.GFF = nn.Sequential(nn.Conv2d(n_blocks * n_feats, n_feats, 1), nn.Conv2d(n_feats, n_feats, 3, padding=1))

    def forward(self, lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
        first = self.SFENet1(lr)
        x = self.SFENet2(first)
        of_blocks = []
        for block in self.RDBs:
            x = block(x)
            of_blocks.append(x)
        return first + self.GFF(torch.cat(of_blocks, dim=1))


class ResidualDenseBlock(nn.Module):
    """Dense layers, fused by a 1x1 convolution and added to the input (section 3.2)."""

    def __init__(self, n_feats: int, n_layers: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(DenseLayer(n_feats + i * growth, growth) for i in range(n_layers)))
        self.LFF = nn.Conv2d(n_feats + n_layers * growth, n_feats, 1)

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return x + self.LFF(self.convs(x))


class DenseLayer(nn.Module):
    """Appends `growth` channels to those it is given."""

    def __init__(self, in_dim: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(in_dim, growth, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B grown h w"]:
        return torch.cat([x, self.conv(x)], dim=1)
