"""Drawn patterns, which photographs lack: stripes, checkerboards, screentone, dither, glyphs, text, noise, saturated edges.

A pattern is an LR picture as it is, because its single pixels are the reduction of nothing. `sampling.enlarged` makes the
HR patch. Everything random comes from the generator given, so that a pattern is a function of its seed.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Coverage = np.ndarray
"""(side, side) in [0, 1], the share of the second colour in each pixel."""

BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16 + 1 / 32
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;-+=/()[]#%&@"))


def draw_pattern(side: int, rng: np.random.Generator) -> UInt8[Tensor, "3 side side"]:
    """Draws one pattern, or two beside each other, in colours."""
    picture = _coloured(side, rng)
    if rng.random() < 0.3:
        other, (top, left) = _coloured(side, rng), rng.integers(side, size=2)
        picture[:, top:, left:] = other[:, top:, left:]
    return torch.from_numpy((255 * picture).round().astype(np.uint8))


def _coloured(side: int, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.2:
        return _noise(side, rng)
    coverage = KINDS[rng.integers(len(KINDS))](side, rng)
    if rng.random() < 0.3:  # a pattern with its tone changing across it, or its edges softened
        coverage = coverage * _ramp(side, rng) if rng.random() < 0.5 else (coverage + np.roll(coverage, 1, 1)) / 2
    first, second = _colours(rng)
    return first[:, None, None] * (1 - coverage) + second[:, None, None] * coverage


def _colours(rng: np.random.Generator) -> np.ndarray:
    """Two colours: black and white, greys, saturated, or any."""
    kind = rng.random()
    if kind < 0.4:
        return np.array([[0.0] * 3, [1.0] * 3])[rng.permutation(2)]
    if kind < 0.6:
        return np.repeat(rng.random((2, 1)), 3, axis=1)
    return rng.integers(2, size=(2, 3)).astype(float) if kind < 0.8 else rng.random((2, 3))


def _grid(side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of all pixels, from a random origin, perhaps exchanged."""
    axes = np.mgrid[:side, :side] + rng.integers(64, size=(2, 1, 1))
    return tuple(axes[rng.permutation(2)])


def _ramp(side: int, rng: np.random.Generator) -> Coverage:
    """A smooth tone: a plane between two values, or a bump."""
    y, x = np.mgrid[:side, :side] / max(side - 1, 1) - 0.5
    if rng.random() < 0.3:
        tone = np.exp(-(x**2 + y**2) / rng.uniform(0.02, 0.3))
    else:
        angle = rng.uniform(0, 2 * np.pi)
        tone = 0.5 + np.cos(angle) * x + np.sin(angle) * y
    low, high = np.sort(rng.random(2))
    return np.clip(low + (high - low) * tone, 0, 1)


def _stripes(side: int, rng: np.random.Generator) -> Coverage:
    y, _ = _grid(side, rng)
    period = int(rng.integers(2, 9))
    width = 1 if rng.random() < 0.4 else int(rng.integers(1, period))
    return (y % period < width).astype(float)


def _diagonals(side: int, rng: np.random.Generator) -> Coverage:
    y, x = _grid(side, rng)
    slope, period = int(rng.choice([-3, -2, -1, 1, 2, 3])), int(rng.integers(2, 9))
    return ((x + slope * y) % period < rng.integers(1, period)).astype(float)


def _gratings(side: int, rng: np.random.Generator) -> Coverage:
    """Waves of any direction, soft or cut to two tones."""
    y, x = _grid(side, rng)
    angle, period = rng.uniform(0, np.pi), rng.uniform(2, 12)
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period)
    return (wave > rng.uniform(0.2, 0.8)).astype(float) if rng.random() < 0.6 else wave


def _checkerboard(side: int, rng: np.random.Generator) -> Coverage:
    y, x = _grid(side, rng)
    size = 1 if rng.random() < 0.5 else int(rng.integers(1, 6))
    return ((y // size + x // (size if rng.random() < 0.7 else 1)) % 2).astype(float)


def _bayer(side: int, rng: np.random.Generator) -> Coverage:
    y, x = _grid(side, rng)
    return (_ramp(side, rng) > BAYER[y % 4, x % 4]).astype(float)


def error_diffusion(tone: Coverage) -> Coverage:
    """Floyd and Steinberg's dither of a tone."""
    return np.asarray(Image.fromarray((255 * tone).astype(np.uint8)).convert("1"), float)


def _dither(side: int, rng: np.random.Generator) -> Coverage:
    return error_diffusion(_ramp(side, rng))


def _screentone(side: int, rng: np.random.Generator) -> Coverage:
    y, x = _grid(side, rng)
    period, angle = rng.uniform(2.5, 10), 0.0 if rng.random() < 0.5 else rng.uniform(0, np.pi / 2)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    distance = np.hypot(u % period - period / 2, v % period - period / 2)
    return (distance > period * 0.6 * (1 - _ramp(side, rng))).astype(float)


def _glyphs(side: int, rng: np.random.Generator) -> Coverage:
    """Rows of small bitmaps, each pixel set at random."""
    height, width = int(rng.integers(4, 12)), int(rng.integers(3, 9))
    rows, cols = side // (height + 2) + 1, side // (width + 1) + 1
    bits = (rng.random((rows, height + 2, cols, width + 1)) < rng.uniform(0.3, 0.7)).astype(float)
    bits[:, height:], bits[..., width:] = 0, 0
    return bits.reshape(rows * (height + 2), -1)[:side, :side]


def _text(side: int, rng: np.random.Generator) -> Coverage:
    """Lines of random words, with grey edges or without."""
    picture = Image.new("L", (side, side))
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "L" if rng.random() < 0.6 else "1"
    size = int(rng.integers(7, 20))
    font = ImageFont.load_default(size)
    for top in range(int(rng.integers(-size, 1)), side, size + int(rng.integers(0, 4))):
        words = ("".join(rng.choice(LETTERS, int(rng.integers(1, 9)))) for _ in range(8))
        draw.text((int(rng.integers(-size, 4)), top), " ".join(words), 255, font)
    return np.asarray(picture) / 255


def _outlines(side: int, rng: np.random.Generator) -> Coverage:
    """Thin lines, boxes and circles, as of charts and windows."""
    picture = Image.new("L", (side, side))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(2, 10))):
        (top, bottom), (left, right) = np.sort(rng.integers(-side // 4, side + side // 4, size=(2, 2))).tolist()
        tone, width = int(rng.integers(100, 256)), int(rng.integers(1, 3))
        match rng.integers(4):
            case 0:
                draw.line((left, top, right, bottom), tone, width)
            case 1:
                draw.ellipse((left, top, right, bottom), outline=tone, width=width)
            case 2:
                draw.rectangle((left, top, right, bottom), tone if rng.random() < 0.5 else None, tone, width)
            case _:
                draw.line((left, top, right, top), tone, 1)
    return np.asarray(picture) / 255


def _blocks(side: int, rng: np.random.Generator) -> Coverage:
    """Flat rectangles of a grid, or one flat tone."""
    size = int(rng.integers(1, 17))
    tones = rng.random((side // size + 1,) * 2)
    return np.kron(tones, np.ones((size, size)))[:side, :side]


def _dots(side: int, rng: np.random.Generator) -> Coverage:
    """Single pixels, scattered."""
    return (rng.random((side, side)) < rng.uniform(0.01, 0.5)).astype(float)


def _noise(side: int, rng: np.random.Generator) -> np.ndarray:
    """A flat or smooth tone under Gaussian noise, or uniform noise, of grey or colour."""
    channels = 1 if rng.random() < 0.3 else 3
    if rng.random() < 0.25:
        noisy = rng.random((channels, side, side))
    else:
        sigma = rng.uniform(5, 90) / 255
        noisy = _ramp(side, rng) + rng.normal(0, sigma, (channels, side, side))
    return np.repeat(np.clip(noisy, 0, 1), 3 // channels, axis=0)


KINDS: tuple[Callable[[int, np.random.Generator], Coverage], ...] = (
    _stripes,
    _diagonals,
    _gratings,
    _checkerboard,
    _bayer,
    _dither,
    _screentone,
    _glyphs,
    _text,
    _outlines,
    _blocks,
    _dots,
)
