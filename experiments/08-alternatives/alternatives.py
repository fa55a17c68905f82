"""The decoders that LM-LIIF is compared with: each does without modulations in another way. U(F) is the 3x3 neighbourhood.

    CodeAlone     LM-LIIF without modulations: z = MLP([U(F), cell]) at LR, rgb = MLP([z, rel, cell]) at the four corners
    Polynomial    MLP([U(F), cell]) at LR makes the coefficients of a polynomial in rel, for each colour
    Shuffle       MLP(U(F)) at LR makes the pixels of a picture 4 times as large, which is read bicubically
    Depthwise     z = MLP([U(F), cell]) at LR, enlarged bilinearly; at HR residual blocks of a depthwise 3x3 and a 1x1 layer

All but Depthwise keep the contract of `Decoder`. Depthwise sees a pixel's neighbours, so it draws whole grids alone.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.decoders.base import Decoder
from lmf_sr.decoders.layers import MLP, CornerMLP, linear_on_unfold
from lmf_sr.decoders.liif import LIIF, LIIFState
from lmf_sr.geometry import Grid, Size, clip_cell, ensemble, four_corners, gather, nearest_corner, relative_cell
from lmf_sr.linear import Linear, linear


class LatentMLP(MLP):
    """An MLP fed `[U(F), relative cell]` at every LR position, with one cell for each image."""

    def __init__(self, in_dim: int, hidden: list[int], out_dim: int) -> None:
        super().__init__(9 * in_dim + 2, hidden, out_dim)

    def of(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> Float[Tensor, "B h w o"]:
        first = self.linears[0]
        seen = linear(relative_cell(cell[:, 0], features.shape[-2:]), first.weight[:, -2:], first.bias)
        y = linear_on_unfold(features, first.weight[:, :-2]) + seen[:, None, None]
        return self.layers[1:](y.flatten(0, 2)).unflatten(0, y.shape[:3])


class CodeAlone(LIIF):
    def __init__(self, in_dim: int, latent: int, width: int = 16, depth: int = 6, code_dim: int = 16) -> None:
        Decoder.__init__(self)
        self.latent_mlp = LatentMLP(in_dim, [latent], code_dim)
        self.mlp = CornerMLP(code_dim, [width] * depth, 3)

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> LIIFState:
        code = self.latent_mlp.of(features, cell)
        first = linear(code, self.mlp.first_weight, self.mlp.first_bias)
        return LIIFState(first, relative_cell(cell, features.shape[-2:]))


class LatentsState(NamedTuple):
    latents: Float[Tensor, "B h w k"]


class Polynomial(Decoder):
    """Powers of both parts of `rel / 2` up to `degree`, and their products."""

    lr_skip = False

    def __init__(self, in_dim: int, hidden: list[int], degree: int = 3) -> None:
        super().__init__()
        self.powers = degree + 1
        self.latent_mlp = LatentMLP(in_dim, hidden, 3 * self.powers**2)

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> LatentsState:
        return LatentsState(self.latent_mlp.of(features, cell))

    def query(self, state: LatentsState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        corners = four_corners(coords, state.latents.shape[1:3])
        dtype = state.latents.dtype
        row, col = (corners.rel.to(dtype) / 2).unbind(-1)
        row_powers, col_powers = (torch.stack([x**i for i in range(self.powers)], dim=-1) for x in (row, col))
        basis = (row_powers.unsqueeze(-1) * col_powers.unsqueeze(-2)).flatten(-2)
        coefficients = gather(state.latents, corners.at).unflatten(-1, (3, -1))
        return ensemble(torch.einsum("bqtck,bqtk->bqtc", coefficients, basis), corners.weight.to(dtype))


class ShuffleState(NamedTuple):
    picture: Float[Tensor, "B 3 H W"]


class Shuffle(Decoder):
    lr_skip = False
    receptive_halo = 2

    def __init__(self, in_dim: int, latent: int, factor: int = 4) -> None:
        super().__init__()
        self.factor = factor
        self.latent_mlp = LatentMLP(in_dim, [latent], 3 * factor**2)

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> ShuffleState:
        made = self.latent_mlp.of(features, torch.ones_like(cell))  # one picture for all scales
        return ShuffleState(F.pixel_shuffle(made.permute(0, 3, 1, 2), self.factor))

    def query(self, state: ShuffleState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        grid = coords.to(state.picture.dtype).flip(-1).unsqueeze(1)  # grid_sample wants (x, y)
        read = F.grid_sample(state.picture, grid, mode="bicubic", padding_mode="border", align_corners=False)
        return read.squeeze(2).transpose(1, 2)


class GridsState(NamedTuple):
    pictures: list[Float[Tensor, "3 H W"]]  # one for each image


class Depthwise(Decoder):
    lr_skip = False

    def __init__(self, in_dim: int, latent: int, width: int, blocks: int) -> None:
        super().__init__()
        self.latent, self.width, self.in_dim = latent, width, in_dim
        self.latent_mlp = LatentMLP(in_dim, [latent], width)
        self.place = Linear(2, width)
        self.depthwise = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, groups=width) for _ in range(blocks))
        self.pointwise = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(blocks))
        self.last = nn.Conv2d(width, 3, 1)

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> GridsState:
        """Draws the whole grid of each image."""
        sizes = [
            (round(2 / one[0, 0].item()), round(2 / one[0, 1].item())) for one in cell.expand(len(features), -1, 2)
        ]
        return GridsState([self.picture(features[i : i + 1], size)[0] for i, size in enumerate(sizes)])

    def query(self, state: GridsState, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        """The pixels of the grids at whose centres the points lie."""
        found = []
        for picture, points in zip(state.pictures, coords, strict=True):
            sides = points.new_tensor(picture.shape[1:])
            row, col = (((points + 1) * sides - 1) / 2).round().long().unbind(-1)
            found.append(picture[:, row, col].T)
        return torch.stack(found)

    def picture(self, features: Float[Tensor, "1 C h w"], size: Size) -> Float[Tensor, "1 3 H W"]:
        """The grid of a size, normalised."""
        lr_size = features.shape[-2:]
        grid = Grid.over(*size)
        cell = clip_cell(features.new_tensor(grid.cell), lr_size).view(1, 1, 2)
        code = self.latent_mlp.of(features, cell).permute(0, 3, 1, 2)
        rel = nearest_corner(grid.coords()[None], lr_size).rel.to(features.dtype)[0, :, 0]
        place = self.place(rel).T.unflatten(-1, size)
        y = (F.interpolate(code, size, mode="bilinear", align_corners=False) + place).relu()
        for depthwise, pointwise in zip(self.depthwise, self.pointwise, strict=True):
            y = y + pointwise(depthwise(y).relu())
        return self.last(y)

    def macs(self, lr_size: Size, hr_size: Size) -> int:
        """Multiply-accumulates of layers, without the bilinear enlargement."""
        at_lr = (9 * self.in_dim + 2) * self.latent + self.latent * self.width
        block = 9 * self.width + self.width**2
        at_hr = 5 * self.width + len(self.depthwise) * block
        return at_lr * lr_size[0] * lr_size[1] + at_hr * hr_size[0] * hr_size[1]
