"""SwinIR without its upsampler (Liang et al., SwinIR: Image Restoration Using Swin Transformer, ICCVW 2021).

    F_0 = conv(x)        F_i = F_{i-1} + conv(layers_i(F_{i-1}))        out = conv(F_0 + conv(LN(F_K)))

All convolutions are 3x3; the blocks start from LN(F_0) in place of F_0, and a leaky ReLU follows the last convolution.
A layer attends within windows of M x M pixels, which lie M/2 further in every second layer, so that neighbours mix:

    X <- X + MSA(LN(X)),  X <- X + MLP(LN(X))        MSA = softmax(Q K^T / sqrt(d) + B) V   per window and head

with B learned for every relative position of two pixels. To move the windows the image is rolled; windows at its border
then hold pixels of opposite sides, which must not attend to each other.

Two buffers in the published weights follow from the sizes and are not kept: `relative_position_index`, which is
`relative_positions(M)`, and `attn_mask`, which is `shift_mask(48, 48, M)` with -100 for minus infinity.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from lmf_sr.encoders.base import Encoder
from lmf_sr.encoders.centring import FirstConv2d
from lmf_sr.linear import Linear


class SwinIR(Encoder):
    """Turns an LR image of any size into features. Inside, it is padded by reflection to a multiple of the window.

    Tiles of an image give the features of the whole where their windows are the image's: where they start and end at
    multiples of `tile_multiple`, or at the image's end, and have a margin of `receptive_halo`.

    Args:
        n_blocks: number of residual Swin transformer blocks K.
        n_layers: layers in each block.
        dim: channels of a token.
        heads: attention heads; divides `dim`.
        window: side M of a window in pixels.
        mlp_ratio: hidden width of the MLPs, in `dim`.
        drop_path: in training, the probability that a sample skips the last layer; it grows linearly from 0 at the first.
        out_dim: channels of the features, made by a last convolution; None for the tokens' own, without that convolution.
        centre: RGB in [-1, 1] that the input is centred on (`centring.py`); None for 0.
    """

    def __init__(
        self,
        n_blocks: int = 6,
        n_layers: int = 6,
        dim: int = 180,
        heads: int = 6,
        window: int = 8,
        mlp_ratio: int = 2,
        drop_path: float = 0.1,
        out_dim: int | None = 64,
        centre: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide {dim} channels")
        self.out_dim = dim if out_dim is None else out_dim
        self.window = window
        self.tile_multiple = window
        self.receptive_halo = reach(n_blocks, n_layers, window)
        self.activation_bytes = 4 * 22 * dim  # measured, with 6 heads
        drop_rates = torch.linspace(0, drop_path, n_blocks * n_layers).view(n_blocks, n_layers).tolist()
        self.conv_first = FirstConv2d(dim, centre)
        self.norm_first = nn.LayerNorm(dim)
        self.layers = nn.ModuleList(ResidualSwinBlock(dim, heads, window, mlp_ratio, rates) for rates in drop_rates)
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = nn.Conv2d(dim, dim, 3, padding=1)
        last = [] if out_dim is None else [nn.Conv2d(dim, out_dim, 3, padding=1), nn.LeakyReLU()]
        self.conv_before_upsample = nn.Sequential(*last)
        self.apply(init_linear)

    def forward(self, lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
        h, w = lr.shape[-2:]
        if h % self.window or w % self.window:
            lr = pad_by_reflection(lr, self.window)
        mask = shift_mask(lr.shape[-2], lr.shape[-1], self.window, lr.device).to(lr.dtype)
        first = self.conv_first(lr)
        x = self.norm_first(to_tokens(first))
        for block in self.layers:
            x = block(x, mask)
        x = self.conv_after_body(to_image(self.norm(x)))
        return self.conv_before_upsample(first + x)[..., :h, :w]


class ResidualSwinBlock(nn.Module):
    """RSTB: layers with the windows in place and shifted by turns, a 3x3 convolution and a skip (section 3.2)."""

    def __init__(self, dim: int, heads: int, window: int, mlp_ratio: int, drop_rates: list[float]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinLayer(dim, heads, window, shift=window // 2 if i % 2 else 0, mlp_ratio=mlp_ratio, drop_rate=rate)
            for i, rate in enumerate(drop_rates)
        )
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Float[Tensor, "B H W dim"], mask: Float[Tensor, "nW 1 N N"]) -> Float[Tensor, "B H W dim"]:
        skip = x
        for layer in self.blocks:
            x = layer(x, mask)
        return skip + to_tokens(self.conv(to_image(x)))


class SwinLayer(nn.Module):
    """Swin transformer layer: window attention and an MLP, each normalised before and with a skip."""

    def __init__(self, dim: int, heads: int, window: int, shift: int, mlp_ratio: int, drop_rate: float) -> None:
        super().__init__()
        self.window, self.shift, self.drop_rate = window, shift, drop_rate
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, mlp_ratio * dim)

    def forward(self, x: Float[Tensor, "B H W dim"], mask: Float[Tensor, "nW 1 N N"]) -> Float[Tensor, "B H W dim"]:
        windows = to_windows(self.norm1(x).roll((-self.shift, -self.shift), (1, 2)), self.window)
        windows = self.attn(windows, mask if self.shift else None)
        attended = from_windows(windows, x.shape[1], self.window).roll((self.shift, self.shift), (1, 2))
        x = x + self._drop_path(attended)
        return x + self._drop_path(self.mlp(self.norm2(x)))

    def _drop_path(self, branch: Float[Tensor, "B H W dim"]) -> Float[Tensor, "B H W dim"]:
        """Stochastic depth (Huang et al., ECCV 2016): whole samples are dropped in training, the others scaled up."""
        if not self.training or self.drop_rate == 0:
            return branch
        return branch * F.dropout(branch.new_ones(branch.shape[0], 1, 1, 1), self.drop_rate)


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a learned bias for every relative position."""

    relative_position_index: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_positions(window), persistent=False)

    def forward(
        self, x: Float[Tensor, "B nW N dim"], mask: Float[Tensor, "nW 1 N N"] | None
    ) -> Float[Tensor, "B nW N dim"]:
        q, k, v = self.qkv(x).flatten(0, 1).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # B*nW heads N d
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)[None]  # 1 heads N N
        if mask is not None:
            bias = (bias + mask).expand(x.shape[0], -1, -1, -1, -1).flatten(0, 1)  # B*nW heads N N
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(attended.transpose(1, 2).flatten(2).view_as(x))


class MLP(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden)
        self.fc2 = Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "*S dim"]) -> Float[Tensor, "*S dim"]:
        return self.fc2(F.gelu(self.fc1(x)))


def relative_positions(window: int) -> Int[Tensor, "N N"]:
    """The row of the bias table for the difference of each pair of pixels of a window."""
    row, column = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    row, column = row.flatten(), column.flatten()
    rows, columns = row[:, None] - row, column[:, None] - column
    return (rows + window - 1) * (2 * window - 1) + columns + window - 1


def shift_mask(height: int, width: int, window: int, device: torch.device | None = None) -> Float[Tensor, "nW 1 N N"]:
    """Minus infinity between two pixels of a window that rolling by half a window brought there from opposite sides.

    The authors put -100. The attention is the same in float32 but for denormal numbers, which slow a CPU fivefold.
    """
    shift = window // 2
    row_wrapped = torch.arange(height, device=device) >= height - shift
    column_wrapped = torch.arange(width, device=device) >= width - shift
    side = 2 * row_wrapped[:, None] + column_wrapped
    side = to_windows(side[None, :, :, None], window).squeeze(0)  # nW N 1
    return torch.where(side == side.transpose(1, 2), 0.0, -math.inf)[:, None]


def to_windows(x: Shaped[Tensor, "B H W dim"], window: int) -> Shaped[Tensor, "B nW N dim"]:
    """Cuts features into windows of N = window² pixels, row by row."""
    x = x.unflatten(2, (-1, window)).unflatten(1, (-1, window))  # B, rows, window, columns, window, dim
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def from_windows(x: Shaped[Tensor, "B nW N dim"], height: int, window: int) -> Shaped[Tensor, "B H W dim"]:
    """The inverse of `to_windows`."""
    x = x.unflatten(2, (window, window)).unflatten(1, (height // window, -1))  # B, rows, columns, window, window, dim
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def to_tokens(x: Float[Tensor, "B dim H W"]) -> Float[Tensor, "B H W dim"]:
    return x.permute(0, 2, 3, 1)


def to_image(x: Float[Tensor, "B H W dim"]) -> Float[Tensor, "B dim H W"]:
    return x.permute(0, 3, 1, 2)


def pad_by_reflection(x: Float[Tensor, "B C h w"], multiple: int) -> Float[Tensor, "B C H W"]:
    """Pads at the bottom and right to a multiple, reflecting again and again where the image is smaller than the pad."""
    rows, columns = (reflected(n, math.ceil(n / multiple) * multiple, x.device) for n in x.shape[-2:])
    return x[:, :, rows[:, None], columns]


def reflected(n: int, padded: int, device: torch.device) -> Int[Tensor, "padded"]:
    """0, 1, ..., n-1, n-2, ..., 1, 0, 1, ... up to the padded length."""
    period = max(2 * (n - 1), 1)
    position = torch.arange(padded, device=device) % period
    return torch.minimum(position, period - position)


def reach(n_blocks: int, n_layers: int, window: int) -> int:
    """The number of pixels that a change can travel, 151 for the published sizes.

    Follows the leftmost pixel reached by a change at the worst place, the first of a window: each convolution takes it
    one pixel on, each attention to the start of its window.
    """
    leftmost = -1
    for _ in range(n_blocks):
        for layer in range(n_layers):
            shift = window // 2 if layer % 2 else 0
            leftmost = (leftmost - shift) // window * window + shift
        leftmost -= 1
    return 2 - leftmost


def init_linear(module: nn.Module) -> None:
    """Initialisation of the published training."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
