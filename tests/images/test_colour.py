"""Luma."""

import torch

from lmf_sr.images import luma


def test_luma_of_the_primaries() -> None:
    primaries = torch.eye(3).reshape(3, 3, 1)  # columns of pixels: red, green, blue
    torch.testing.assert_close(luma(primaries).flatten(), torch.tensor([65.738, 129.057, 25.064]) / 256)


def test_luma_keeps_leading_axes() -> None:
    image = torch.rand(2, 5, 3, 4, 6)
    assert luma(image).shape == (2, 5, 1, 4, 6)
    torch.testing.assert_close(luma(image)[1, 2], luma(image[1, 2]))
