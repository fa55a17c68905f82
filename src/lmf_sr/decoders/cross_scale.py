"""Cross-scale attention N(F), the non-local feature of CiaoSR and LM-CiaoSR (Mei et al., CVPR 2020, section 3.1).

Features look for similar patches in their own halved copy, and take the content of these patches at full resolution:

    e = PReLU(conv1x1(F)),   m = PReLU(conv1x1(F)),   r = PReLU(conv1x1(F halved))
    P_j = 3x3 patch of r at its position j, over max(norm, 1e-4);      E_j = 6x6 patch of e around the same place
    A   = softmax_j(10 <3x3 patch of m, P_j>)
    N   = conv3x3, stride 2 (the overlapping sum of sum_j A_j E_j, placed every 2 pixels) / 6

No patch is ever made here (`plain.py` makes them). Patches overlap, and the work they share is a sum along diagonals, with
zeros outside:

    X+[p, j] = sum over d in {-1, 0, 1}^2 of X[p + d, j + d]

The product of two 3x3 patches is the M+ of M[p, j] = <m[p], r[j]>; and a patch of 6x6 is 3x3 cells of 2x2, so that the cell
at p of the overlapping sum is sum_j A+[p, j] e[j], e[j] the cell at j. The products are a ninth of those of patches.

Larger images are attended in blocks of 48 x 48, one after the other. Small images of a batch are attended together, large
ones in bands of rows.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.decoders.layers import bands, softmax
from lmf_sr.linear import linear

BLOCK = 48
BAND = 2**21  # pairs of positions attended at once; malloc then keeps their memory, and the cache a part of it
BAND_OF_GPU = 2**27  # 0.5 GB in float32, so that a batch of training patches is attended at once


class CrossScaleAttention(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Conv2d(dim, dim, 1), nn.PReLU())
        self.match = nn.Sequential(nn.Conv2d(dim, dim // 2, 1), nn.PReLU())
        self.reference = nn.Sequential(nn.Conv2d(dim, dim // 2, 1), nn.PReLU())
        self.down = nn.Conv2d(dim, dim, 3, stride=2, padding=1)

    def forward(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return in_blocks(features, self.attend)

    def attend(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """N(F), every position attending to all."""
        h, w = features.shape[-2:]
        features = pad_to_even(features)
        match, reference = self.match(features), self.reference(F.avg_pool2d(features, 2))
        cells = F.pixel_unshuffle(self.embed(features), 2)
        pairs = match[0, 0].numel() * reference[0, 0].numel()
        band = BAND if features.device.type == "cpu" else BAND_OF_GPU
        groups = bands(len(match), pairs, band)
        enlarged = torch.cat([weighted(match[i:j], reference[i:j], cells[i:j], band) for i, j in groups])
        return self.down(F.pixel_shuffle(enlarged, 2))[..., :h, :w] / 6


def weighted(
    match: Float[Tensor, "B k H W"],
    reference: Float[Tensor, "B k h w"],
    cells: Float[Tensor, "B c h w"],
    band: int = BAND,
) -> Float[Tensor, "B c H W"]:
    """The cells of the overlapping sum, in bands of rows of about `band` pairs of positions."""
    (B, _, H, W), (h, w) = match.shape, reference.shape[2:]
    norms = patch_norms(reference)[:, None, None]
    largest = norms.amax((3, 4), keepdim=True)  # which keeps products within float16
    keys = (reference / largest[:, 0]).to(match).flatten(2).mT
    factors, cells = 10 * largest / norms, cells.flatten(2)
    made = []
    for top, bottom in bands(H, B * W * h * w, band):
        # In each sum along diagonals, the rows at the ends miss a neighbour, unless the image ends there.
        first, last = max(top - 2, 0), min(bottom + 2, H)
        start, stop = max(top - 1, 0), min(bottom + 1, H)
        products = products_of_rows(match[:, :, first:last].flatten(2).mT, keys).to(factors).view(B, -1, W, h, w)
        logits = along_diagonals(products)[:, start - first : stop - first] * factors
        attention = softmax(logits.flatten(3), dim=-1).view_as(logits)
        weights = along_diagonals(attention)[:, top - start : bottom - start].to(cells)
        made.append(products_of_rows(cells, weights.reshape(B, -1, h * w)))
    return torch.cat(made, dim=2).unflatten(2, (H, W))


def products_of_rows(a: Float[Tensor, "B n k"], b: Float[Tensor, "B m k"]) -> Float[Tensor, "B n m"]:
    """All products of a row of a with a row of b, image by image. A single image takes `linear`, the fastest on a CPU."""
    return linear(a[0], b[0])[None] if len(a) == 1 else a @ b.mT


def patch_norms(x: Float[Tensor, "B k h w"]) -> Float[Tensor, "B h w"]:
    """The norm of each 3x3 patch, at least 1e-4, in at least float32."""
    squares = x.to(torch.promote_types(x.dtype, torch.float32)).square().sum(1, keepdim=True)
    return (9 * F.avg_pool2d(squares, 3, stride=1, padding=1)[:, 0]).clamp(min=1e-8).sqrt()


def along_diagonals(x: Float[Tensor, "B H W h w"]) -> Float[Tensor, "B H W h w"]:
    """The sum of `x[:, p + d, j + d]` over d in {-1, 0, 1}^2, made axis by axis."""
    for p, j in ((1, 3), (2, 4)):
        n, m = x.shape[p] - 1, x.shape[j] - 1
        if torch.compiler.is_compiling():  # an exported graph gets writing to a part of a tensor wrong
            border = [int(axis in (p, j)) for axis in (4, 4, 3, 3, 2, 2, 1, 1)]
            wide = F.pad(x, border)
            x = x + wide.narrow(p, 0, n + 1).narrow(j, 0, m + 1) + wide.narrow(p, 2, n + 1).narrow(j, 2, m + 1)
            continue
        summed = x.clone()
        summed.narrow(p, 1, n).narrow(j, 1, m).add_(x.narrow(p, 0, n).narrow(j, 0, m))
        summed.narrow(p, 0, n).narrow(j, 0, m).add_(x.narrow(p, 1, n).narrow(j, 1, m))
        x = summed
    return x


def in_blocks(
    features: Float[Tensor, "B C h w"], attend: Callable[[Float[Tensor, "B C n m"]], Float[Tensor, "B C n m"]]
) -> Float[Tensor, "B C h w"]:
    """Attends a small image at once, and a large one in blocks.

    Each block sees one more pixel on each side where the image has one.
    """
    h, w = features.shape[-2:]
    if h * w <= BLOCK * BLOCK:
        return attend(features)

    def block(rows: slice, cols: slice) -> Float[Tensor, "B C n m"]:
        top, left = max(rows.start - 1, 0), max(cols.start - 1, 0)
        seen = attend(features[..., top : rows.stop + 1, left : cols.stop + 1])
        return seen[..., rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]

    return torch.cat([torch.cat([block(r, c) for c in blocks(w)], dim=-1) for r in blocks(h)], dim=-2)


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
