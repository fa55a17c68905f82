"""Encoders: LR image to features."""

from torch import nn


class Encoder(nn.Module):
    """The contract of every encoder: (B, 3, h, w), normalised to [-1, 1], to (B, `out_dim`, h, w)."""

    out_dim: int
    receptive_halo: int | None
    """LR pixels around a region beyond which nothing influences its features; None where there is no such number."""
    activation_bytes: int = 4096
    """Bytes per LR pixel that it holds at once in inference, at most; tiles are made so large that they fit in memory."""
    tile_multiple: int = 1
    """The grid of LR pixels on which tiles have to start and end for their features to be those of the whole image."""
