"""The first convolution of an encoder whose pictures are centred on another colour than mid grey.

    y = W * pad(x - c) + b

The subtraction comes before the padding with zeros, which thereby stands for the colour c outside of the picture. It cannot
be folded into the bias, because a pixel at the border meets fewer weights than one inside.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class FirstConv2d(nn.Conv2d):
    """A 3x3 convolution of an RGB picture with zero padding.

    Args:
        out_dim: channels.
        centre: c, RGB in [-1, 1]; None for mid grey, 0, as all models trained here have it.
    """

    centre: Tensor | None

    def __init__(self, out_dim: int, centre: Sequence[float] | None = None) -> None:
        super().__init__(3, out_dim, kernel_size=3, padding=1)
        colour = None if centre is None else torch.tensor(list(centre), dtype=torch.float32).view(3, 1, 1)
        self.register_buffer("centre", colour, persistent=False)

    def forward(self, x: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
        return super().forward(x if self.centre is None else x - self.centre)
