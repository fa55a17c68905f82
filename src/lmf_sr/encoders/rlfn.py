"""RLFN-S without its upsampler (Kong et al., Residual Local Feature Network for Efficient Super-Resolution, CVPRW 2022).

    F_0 = conv(x)
    F_{k+1} = ESA(c5 y_k),      y_k = F_k + lrelu(c3 lrelu(c2 lrelu(c1 F_k)))      k = 0 .. N-1
    out = F_0 + conv(F_N)

c1, c2, c3 and conv are 3x3 with zero padding, c5 is 1x1, and lrelu has a slope of 0.05. N = 6 blocks of 48 channels.

Enhanced spatial attention, which `esa` switches on, weighs each position and channel by a mask in (0, 1) that is computed on
a coarse grid:

    ESA(z) = z * sigmoid(conv1(r + conv1(u))),   u = conv1(z),   r = bilinear(conv(maxpool(conv(u, stride 2), 7, stride 3)))

That grid and its resizing depend on the size of the picture, so the features of a tile are not those of the whole, and there
is no receptive halo. Without ESA the network is nothing but convolutions; `without_esa` folds the mean of each mask into c5,
so that weights trained with attention serve both.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.encoders.base import Encoder
from lmf_sr.encoders.edsr import conv3x3

SLOPE = 0.05
SMALLEST_FOR_ESA = 15  # pixels a side: a convolution of stride 2 leaves 7, which the pooling needs


class ESA(nn.Module):
    """Enhanced spatial attention: multiplies its input by a mask in (0, 1).

    Args:
        n_feats: channels of the input.
        width: channels in which the mask is computed.
    """

    def __init__(self, n_feats: int, width: int = 16) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(n_feats, width, 1)
        self.stride = nn.Conv2d(width, width, 3, stride=2)
        self.coarse = conv3x3(width, width)
        self.skip = nn.Conv2d(width, width, 1)
        self.expand = nn.Conv2d(width, n_feats, 1)

    def mask(self, z: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """The mask. A picture too small for the coarse grid is continued by its border first."""
        u = self.reduce(z)
        padded = u
        for axis in (-2, -1):
            padded = _at_least(SMALLEST_FOR_ESA, padded, axis)
        coarse = self.coarse(F.max_pool2d(self.stride(padded), 7, stride=3))
        resized = F.interpolate(coarse, size=padded.shape[-2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.expand(resized[..., : z.shape[-2], : z.shape[-1]] + self.skip(u)))

    def forward(self, z: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return z * self.mask(z)


def _at_least(least: int, x: Float[Tensor, "B C h w"], axis: int) -> Float[Tensor, "B C H W"]:
    """`x`, continued by its border along an axis where it has fewer than `least` positions.

    A tracer's sizes are symbols. They are not compared, because a comparison would limit the graph to one of its outcomes.
    """
    n = x.shape[axis]
    if isinstance(n, int) and n >= least:
        return x
    positions = torch.arange(torch.sym_max(n, least), device=x.device).clamp(max=n - 1)
    return x.index_select(axis, positions)


class LocalFeatureBlock(nn.Module):
    """A residual local feature block (RLFB)."""

    def __init__(self, n_feats: int, esa: bool) -> None:
        super().__init__()
        self.c1, self.c2, self.c3 = (conv3x3(n_feats, n_feats) for _ in range(3))
        self.c5 = nn.Conv2d(n_feats, n_feats, 1)
        self.esa = ESA(n_feats) if esa else None

    def before_attention(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """c5 y, which ESA weighs."""
        y = x
        for convolution in (self.c1, self.c2, self.c3):
            y = F.leaky_relu(convolution(y), SLOPE, inplace=True)
        return self.c5(x + y)

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        z = self.before_attention(x)
        return z if self.esa is None else self.esa(z)


class RLFN(Encoder):
    """LR image to features.

    Args:
        n_blocks: number of blocks N.
        n_feats: channels, which are also `out_dim`.
        esa: whether blocks end in enhanced spatial attention, which gives up exact tiling.
    """

    def __init__(self, n_blocks: int = 6, n_feats: int = 48, esa: bool = False) -> None:
        super().__init__()
        self.out_dim = n_feats
        self.receptive_halo = None if esa else 3 * n_blocks + 2  # one LR pixel for each 3x3 convolution
        self.head = conv3x3(3, n_feats)
        self.blocks = nn.Sequential(*(LocalFeatureBlock(n_feats, esa) for _ in range(n_blocks)))
        self.tail = conv3x3(n_feats, n_feats)

    def forward(self, lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
        first = self.head(lr)
        return first + self.tail(self.blocks(first))


@torch.no_grad()
def without_esa(encoder: RLFN, photographs: list[Float[Tensor, "3 _ _"]]) -> RLFN:
    """The encoder without attention whose c5 are scaled by the mean of each channel's mask over photographs in [-1, 1]."""
    plain = RLFN(len(encoder.blocks), encoder.out_dim, esa=False)
    plain.load_state_dict({name: w for name, w in encoder.state_dict().items() if ".esa." not in name})
    sums = torch.zeros(len(encoder.blocks), encoder.out_dim)
    for photograph in photographs:
        x = encoder.head(photograph[None])
        for sum_of_masks, block in zip(sums, blocks_of(encoder), strict=True):
            assert block.esa is not None
            z = block.before_attention(x)
            mask = block.esa.mask(z)
            sum_of_masks += mask.mean((0, 2, 3))
            x = z * mask
    for block, mean in zip(blocks_of(plain), sums / len(photographs), strict=True):
        block.c5.weight *= mean[:, None, None, None]
        block.c5.bias *= mean
    return plain


def blocks_of(encoder: RLFN) -> list[LocalFeatureBlock]:
    """The blocks, typed."""
    return [block for block in encoder.blocks if isinstance(block, LocalFeatureBlock)]
