"""Cross-scale attention N(F), the non-local feature of CiaoSR and LM-CiaoSR (Mei et al., CVPR 2020, section 3.1).

Features look for similar patches in their own halved copy, and take what stands there at full resolution:

    e = PReLU(conv1x1(F)),   m = PReLU(conv1x1(F)),   r = PReLU(conv1x1(F halved))
    P_j = 3x3 patch of r at its position j, over max(norm, 1e-4);      E_j = 6x6 patch of e around the same place
    A   = softmax_j(10 <3x3 patch of m, P_j>)
    N   = conv3x3, stride 2 (the overlapping sum of sum_j A_j E_j, placed every 2 pixels) / 6

The attention of n positions costs n^2 / 4 memory, so larger images are attended in blocks of 48 x 48, one after the other.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.decoders.layers import softmax

BLOCK = 48


class CrossScaleAttention(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Conv2d(dim, dim, 1), nn.PReLU())
        self.match = nn.Sequential(nn.Conv2d(dim, dim // 2, 1), nn.PReLU())
        self.reference = nn.Sequential(nn.Conv2d(dim, dim // 2, 1), nn.PReLU())
        self.down = nn.Conv2d(dim, dim, 3, stride=2, padding=1)

    def forward(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        h, w = features.shape[-2:]
        if h * w <= BLOCK * BLOCK:
            return self.attend(features)
        rows = [torch.cat([self.block(features, r, c) for c in blocks(w)], dim=-1) for r in blocks(h)]
        return torch.cat(rows, dim=-2)

    def block(self, features: Float[Tensor, "B C h w"], rows: slice, cols: slice) -> Float[Tensor, "B C bh bw"]:
        """N(F) of a block, which sees one more pixel on each side where the image has one."""
        top, left = max(rows.start - 1, 0), max(cols.start - 1, 0)
        seen = self.attend(features[..., top : rows.stop + 1, left : cols.stop + 1])
        return seen[..., rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]

    def attend(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """N(F), every position attending to all."""
        h, w = features.shape[-2:]
        features = pad_to_even(features)
        H, W = features.shape[-2:]
        queries = F.unfold(self.match(features), kernel_size=3, padding=1)
        keys = F.unfold(self.reference(F.avg_pool2d(features, 2)), kernel_size=3, padding=1)
        keys = F.normalize(keys, dim=1, eps=1e-4)
        patches = F.unfold(self.embed(features), kernel_size=6, stride=2, padding=2)
        attention = softmax(10 * (keys.transpose(1, 2) @ queries), dim=1)
        enlarged = F.fold(patches @ attention.to(patches), (2 * H, 2 * W), kernel_size=6, stride=2, padding=2)
        return self.down(enlarged)[..., :h, :w] / 6


def blocks(n: int) -> list[slice]:
    """An axis in blocks of 48; the last takes the rest."""
    starts = [BLOCK * i for i in range(max(n // BLOCK, 1))]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], n], strict=True)]


def pad_to_even(x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
    """Pads by reflection at the bottom and the right; a single row or column is repeated."""
    for axis in (-2, -1):
        n = x.shape[axis]
        if n % 2:
            x = torch.cat([x, x.narrow(axis, max(n - 2, 0), 1)], dim=axis)
    return x
