"""EDSR without its upsampler (Lim et al., Enhanced Deep Residual Networks, CVPRW 2017).

    F_0 = conv(x)        F_{k+1} = F_k + s * conv(relu(conv(F_k)))        out = F_0 + conv(F_N)

All convolutions are 3x3 with zero padding. EDSR-baseline: N = 16 blocks, 64 channels, s = 1. EDSR: 32, 256, 0.1.
The mean shift of the published networks is left out, as in LIIF: the input is already centred.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.encoders.base import Encoder
from lmf_sr.encoders.centring import FirstConv2d


def conv3x3(in_dim: int, out_dim: int) -> nn.Conv2d:
    return nn.Conv2d(in_dim, out_dim, kernel_size=3, padding=1)


class ResidualBlock(nn.Module):
    def __init__(self, n_feats: int, res_scale: float) -> None:
        super().__init__()
        self.body = nn.Sequential(conv3x3(n_feats, n_feats), nn.ReLU(inplace=True), conv3x3(n_feats, n_feats))
        self.res_scale = res_scale

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return torch.add(x, self.body(x), alpha=self.res_scale)


class EDSR(Encoder):
    """LR image to features.

    Args:
        n_resblocks: number of residual blocks N.
        n_feats: channels, which are also `out_dim`.
        res_scale: factor s on each block's residual.
        centre: RGB in [-1, 1] that the input is centred on (`centring.py`); None for 0.
    """

    def __init__(
        self,
        n_resblocks: int = 16,
        n_feats: int = 64,
        res_scale: float = 1.0,
        centre: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.out_dim, self.res_scale = n_feats, res_scale
        self.receptive_halo = 2 * n_resblocks + 2  # one LR pixel for each convolution
        self.activation_bytes = 4 * 6 * n_feats  # in PyTorch; compiled, half of it
        self.head = FirstConv2d(n_feats, centre)
        blocks = [ResidualBlock(n_feats, res_scale) for _ in range(n_resblocks)]
        self.body = nn.Sequential(*blocks, conv3x3(n_feats, n_feats))

    def forward(self, lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
        first = self.head(lr)
        return first + self.body(first)
