"""The values written for a pixel: the decoder's RGB, normalised, or the RGB of a picture, in [0, 1].

    value = min(max(gain x + offset, low), high)

The compiled kernels and the GPU kernel apply this to each pixel as they write it, because a pass of its own over a large
picture takes up to a tenth of its rendering.
"""

from math import inf

from jaxtyping import Float
from torch import Tensor

from lmf_sr.kernels.bindings import Written


class ValueRange(Written):
    """The four numbers, which the kernels take as they are, for tensors too."""

    def apply_(self, rgb: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
        """Maps normalised RGB, in place."""
        if self == NORMALISED:
            return rgb
        rgb.mul_(self.gain).add_(self.offset)
        return rgb.clamp_(self.low, self.high) if self.low > -inf or self.high < inf else rgb


NORMALISED = ValueRange()
UNCLAMPED = ValueRange(0.5, 0.5)
PIXELS = ValueRange(0.5, 0.5, 0.0, 1.0)


def picture_range(clamp: bool) -> ValueRange:
    """The range of a picture's values, clamped to [0, 1] or not."""
    return PIXELS if clamp else UNCLAMPED
