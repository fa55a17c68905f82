"""The ranges of pixel values: grey levels of 8 bits, the [0, 1] of pictures, and the [-1, 1] that models compute in.

    picture = levels / 255        normalised = (picture - 0.5) / 0.5

`rendering/value_range.py` has the way back, as the renderers apply it.
"""

from jaxtyping import Float, Shaped
from torch import Tensor

from lmf_sr.errors import InputError


def from_levels(levels: Shaped[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Grey levels of 8 bits, of any type, as a picture's values in [0, 1]."""
    return levels / 255


def normalise(picture: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Values in [0, 1] in the models' range, [-1, 1]."""
    return (picture - 0.5) / 0.5


def normalised_batch(picture: Tensor, like: Tensor) -> Float[Tensor, "B 3 h w"]:
    """Pictures as a model takes them: normalised, with a batch axis, of the type of `like` and on its device.

    Args:
        picture: floats in [0, 1], (3, h, w) or (B, 3, h, w).
        like: a parameter of the model.

    Raises:
        InputError: a picture of another shape or type.
    """
    if not picture.is_floating_point():
        raise InputError(f"a picture is floats in [0, 1], not {picture.dtype}: convert it, 8 bits as image / 255")
    if picture.ndim not in (3, 4) or picture.shape[-3] != 3 or picture.numel() == 0:
        raise InputError(f"a picture is (3, h, w), or (B, 3, h, w) for several, not {tuple(picture.shape)}")
    return normalise(picture.to(like.device, like.dtype).reshape(-1, *picture.shape[-3:]))
