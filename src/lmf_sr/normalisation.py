"""The ranges of pixel values: grey levels of 8 bits, the [0, 1] of pictures, and the [-1, 1] that models compute in.

    picture = levels / 255        normalised = (picture - 0.5) / 0.5

`rendering/value_range.py` has the way back, as the renderers apply it.
"""

from jaxtyping import Float, Shaped
from torch import Tensor


def from_levels(levels: Shaped[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Grey levels of 8 bits, of any type, as a picture's values in [0, 1]."""
    return levels / 255


def normalise(picture: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Values in [0, 1] in the models' range, [-1, 1]."""
    return (picture - 0.5) / 0.5
