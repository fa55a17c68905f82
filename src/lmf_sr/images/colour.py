"""Colour: the luma of the benchmark protocol, bit depth and inks.

    Y = (65.738 R + 129.057 G + 25.064 B) / 256        (ITU-R BT.601 studio swing, without its offset)

The offset of 16 levels cancels in differences, hence in PSNR; on [0, 1] input the luma lies in [0, 0.859].
"""

from contextlib import suppress
from io import BytesIO

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageCms
from torch import Tensor

LUMA = (65.738 / 256, 129.057 / 256, 25.064 / 256)


def luma(rgb: Float[Tensor, "*B 3 H W"]) -> Float[Tensor, "*B 1 H W"]:
    """The luma of RGB in [0, 1], as the benchmark protocol (Set5, Set14, B100, Urban100) compares it."""
    red, green, blue = rgb.unbind(-3)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(-3)


def to_eight_bits(samples: Shaped[np.ndarray, "*S"]) -> UInt8[np.ndarray, "*S"]:
    """Samples of 8 or 16 bits in 8, rounded to nearest."""
    return samples if samples.dtype == np.uint8 else ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def cmyk_to_rgb(inks: Shaped[np.ndarray, "H W 4"], icc_profile: bytes | None) -> Shaped[np.ndarray, "H W 3"]:
    """Converts inks of 8 or 16 bits to sRGB.

    It goes by their profile, in 8 bits, if that is sound; else by inks that multiply, R = (1 - C)(1 - K) and so on, in full
    depth.
    """
    most = np.iinfo(inks.dtype).max
    if icc_profile:
        with suppress(ImageCms.PyCMSError, OSError):
            srgb = ImageCms.createProfile("sRGB")
            image = Image.fromarray(np.ascontiguousarray(to_eight_bits(inks)), "CMYK")
            converted = ImageCms.profileToProfile(image, BytesIO(icc_profile), srgb, outputMode="RGB")
            if converted is not None:
                return np.asarray(converted)
    paper = most - inks.astype(np.uint32)
    return ((paper[..., :3] * paper[..., 3:] + most // 2) // most).astype(inks.dtype)
