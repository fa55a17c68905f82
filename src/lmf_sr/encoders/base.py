"""The contract of every encoder: an LR picture, normalised to [-1, 1], to features.

    features = encoder(lr)        (B, 3, h, w) -> (B, out_dim, h, w)

The attributes say how a picture that is too large for one piece is encoded in tiles, exactly (`rendering/tiling.py`).
"""

from torch import nn


class Encoder(nn.Module):
    """A subclass sets `out_dim` and `receptive_halo`."""

    out_dim: int
    receptive_halo: int | None
    """LR pixels around a region beyond which nothing influences its features; None where there is no such number."""
    activation_bytes: int = 4096
    """Bytes per LR pixel that it holds at once in inference, at most; tiles are made so large that they fit in memory."""
    tile_multiple: int = 1
    """The grid of LR pixels on which tiles have to start and end for their features to be those of the whole image."""
