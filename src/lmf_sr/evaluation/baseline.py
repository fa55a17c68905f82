"""Bicubic upscaling by MATLAB's rule, with the interface of a `Model`: the baseline of every table."""

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.images import imresize


class BicubicImage:
    """A picture that is resized anew for each rendering."""

    def __init__(self, picture: Float[Tensor, "3 h w"]) -> None:
        self.picture = picture

    @torch.inference_mode()
    def render(self, height: int, width: int) -> Float[Tensor, "1 3 {height} {width}"]:
        """The whole picture, clamped to [0, 1]."""
        return imresize(self.picture.double(), height, width).float().clamp(0, 1).unsqueeze(0)


class Bicubic:
    """The baseline."""

    def encode(self, image: Float[Tensor, "3 h w"]) -> BicubicImage:
        """Takes a picture, RGB in [0, 1]."""
        return BicubicImage(image)
