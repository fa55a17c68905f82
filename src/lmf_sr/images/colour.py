"""Colour: the luma of the benchmark protocol and the value range of the models.

    Y = (65.738 R + 129.057 G + 25.064 B) / 256        (ITU-R BT.601 studio swing, without its offset)

The offset of 16 levels cancels in differences, hence in PSNR; on [0, 1] input the luma lies in [0, 0.859].
"""

from jaxtyping import Float
from torch import Tensor

LUMA = (65.738 / 256, 129.057 / 256, 25.064 / 256)


def luma(rgb: Float[Tensor, "*B 3 H W"]) -> Float[Tensor, "*B 1 H W"]:
    """The luma of RGB in [0, 1], as the benchmark protocol (Set5, Set14, B100, Urban100) compares it."""
    red, green, blue = rgb.unbind(-3)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(-3)


def normalise(image: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Pixels in [0, 1] to the models' range [-1, 1]."""
    return (image - 0.5) / 0.5
