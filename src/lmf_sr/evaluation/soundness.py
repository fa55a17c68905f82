"""The soundness of a model on pictures that are no photographs. It may be blunt there, but must not change tones.

    tone error     the largest difference, in any block of LR pixels, between the averages of the SR and of the LR picture
    inconsistency  RMS of reduce(upscale(x)) - x, for a picture x that is shown as it is

Both are in grey levels of 255. Blocks are so large that neither sharpening nor ringing counts. Bicubic interpolation itself
errs by up to 6 levels in a block of 16, because its overshoots are clamped.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.data.patterns import BAYER, error_diffusion
from lmf_sr.images import resize_pillow

BLOCK = 16  # LR pixels
LEVELS = 255

Upscale = Callable[[Float[Tensor, "3 h w"], int, int], Float[Tensor, "3 H W"]]
"""Takes a picture in [0, 1], a height and a width, and returns the picture in [0, 1] at this size."""


def measured_patterns(side: int = 96, seed: int = 0) -> dict[str, Float[Tensor, "3 side side"]]:
    """Pictures of single pixels, thin lines, dithers and noise, in [0, 1]; training draws others (`data/patterns.py`)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] + random.integers(4, size=(2, 1, 1)) * bool(seed)
    ramp = np.linspace(0, 1, side)[None].repeat(side, 0)
    distance = np.hypot(x % 6 - 2.5, y % 6 - 2.5)
    bump = 0.2 + 0.6 * np.outer(np.hanning(side), np.hanning(side))
    glyphs = np.zeros((side, side))
    for top in range(4, side - 8, 10):
        for left in range(3, side - 6, 6):
            glyphs[top : top + 7, left : left + 5] = random.random((7, 5)) < 0.5
    tiles = random.random((3, side // 8 + 1, side // 8 + 1)).repeat(8, 1).repeat(8, 2)[:, :side, :side]
    pictures = {
        "checkerboard": (x + y) % 2,
        "stripes, vertical": x % 2,
        "stripes, horizontal": y % 2,
        "stripes, diagonal": (x + y) // 2 % 2,
        "stripes of 3 pixels": x // 3 % 2,
        "ordered dither": ramp > BAYER[y % 4, x % 4],
        "error diffusion": error_diffusion(bump),
        "screentone": distance > 3.6 * (1 - ramp),
        "small glyphs": 1 - glyphs,
        "blocks of colour": tiles,
        "saturated stripes": np.stack([x // 2 % 2, y // 2 % 2, 0 * x]),
        "uniform noise": random.random((3, side, side)),
    } | {f"noise, sigma {sigma}": 0.5 + random.normal(0, sigma / LEVELS, (3, side, side)) for sigma in (25, 50, 80)}
    return {
        name: torch.from_numpy(np.broadcast_to(np.clip(picture, 0, 1), (3, side, side)).astype(np.float32))
        for name, picture in pictures.items()
    }


def tone_error(lr: Float[Tensor, "3 h w"], sr: Float[Tensor, "3 H W"], block: int | None = BLOCK) -> float:
    """The tone error of a picture upscaled by a whole factor; with `block` None, the picture is a single block."""
    scale = sr.shape[-1] // lr.shape[-1]
    sizes = lr.shape[-2:] if block is None else (min(block, lr.shape[-2]), min(block, lr.shape[-1]))
    before, after = F.avg_pool2d(lr.double(), sizes), F.avg_pool2d(sr.double(), [scale * size for size in sizes])
    return LEVELS * (after - before).abs().max().item()


def inconsistency(upscale: Upscale, picture: Float[Tensor, "3 h w"], scale: int = 2) -> float:
    """The RMS difference, in grey levels, between a picture and the reduction of its upscaled copy by Pillow's bicubic."""
    _, height, width = picture.shape
    pixels = (upscale(picture, scale * height, scale * width).clamp(0, 1) * LEVELS).round().byte()
    reduced = resize_pillow(pixels, height, width).float() / LEVELS
    return LEVELS * (reduced - picture).square().mean().sqrt().item()
