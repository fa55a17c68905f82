"""Animated pictures: GIF, APNG, WebP and AVIF, as whole frames with the time that each is shown.

    path --open_animation--> Animation --frames--> pictures --write_animation--> path, as GIF, APNG or WebP

Pillow lays each frame over those before it, as a viewer does; so every frame is a picture of its own.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.images.decoding import open_content, readable, shown_samples
from lmf_sr.images.encoding import pillow_save_options
from lmf_sr.images.metadata import Metadata, from_pillow
from lmf_sr.images.pictures import Picture, from_samples, to_samples
from lmf_sr.images.streaming import LARGEST_SIDE

ANIMATED = {".gif": "GIF", ".png": "PNG", ".apng": "PNG", ".webp": "WEBP"}
"""The formats in which animations are written, by suffix."""

MOVING = ("GIF", "PNG", "WEBP", "AVIF")  # Pillow's formats whose several pictures are frames
TICK = 10  # ms, the unit of a GIF's durations
TRANSPARENT = 255  # the entry of a GIF's palette for invisible pixels


@dataclass(frozen=True)
class Animation:
    """An animated file.

    Attributes:
        count: how many frames.
        loop: how often it is shown; 0 is for ever.
        still: whether the first frame is for viewers that show no animations, and no part of it (APNG).
        metadata: what a larger copy should carry too.
    """

    path: Path
    height: int
    width: int
    count: int
    loop: int
    still: bool
    metadata: Metadata

    def frames(self) -> Iterator[tuple[Picture, float]]:
        """Each frame and how long it is shown, in milliseconds. Raises InputError at one that is damaged."""
        with readable(self.path):
            image = open_content(self.path.read_bytes())
        for number in range(self.count):
            with readable(self.path):
                image.seek(number)
                image.load()
                frame = from_samples(shown_samples(image))
            yield replace(frame, metadata=self.metadata), float(image.info.get("duration", 0))


def is_animated(path: Path) -> bool:
    """Whether a file begins as an animation of several frames; not so where it cannot be read."""
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of many pixels, which `open_content` looks at
        with Image.open(path) as image:
            return image.format in MOVING and getattr(image, "n_frames", 1) > 1
    return False


def open_animation(path: Path) -> Animation | None:
    """The animation in a file; None where it holds a single picture, or several that are no frames.

    Raises:
        InputError: a file that is missing, not an image, damaged or truncated.
    """
    if not is_animated(path):
        return None
    with readable(path):
        content = path.read_bytes()
        image = open_content(content)
        count = image.n_frames  # type: ignore[attr-defined]  # every format of MOVING has it
        image.load()
        once = 1 if image.format == "GIF" else 0  # a GIF that says nothing is shown once
        return Animation(
            path,
            image.height,
            image.width,
            count,
            int(image.info.get("loop", once)),
            bool(image.info.get("default_image")),
            from_pillow(image, content),
        )


def check_room(path: Path, file_format: str, height: int, width: int) -> None:
    """Raises InputError where the format has no room for so many pixels."""
    limit = LARGEST_SIDE[file_format]
    if max(height, width) > limit:
        raise InputError(f"cannot write {path} with {width}x{height} pixels: {file_format} ends at {limit} a side")


def as_image(frame: Picture, file_format: str) -> Image.Image:
    """A frame as Pillow writes it in the format: a GIF's has a palette of its own."""
    samples = to_samples(replace(frame, bit_depth=8, grey=False), file_format)
    return _with_palette(samples) if file_format == "GIF" else Image.fromarray(samples)


def _with_palette(samples: np.ndarray) -> Image.Image:
    """The 255 colours that suit the frame best, its other colours dithered; one more entry is for invisible pixels."""
    rgb = Image.fromarray(np.ascontiguousarray(samples[..., :3]))
    palette = rgb.quantize(TRANSPARENT)
    image = rgb.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    if samples.shape[2] == 4 and (invisible := samples[..., 3] < 128).any():
        colours = (palette.getpalette() or [])[: 3 * TRANSPARENT]
        indices = np.where(invisible, TRANSPARENT, np.asarray(image)).astype(np.uint8)
        image = Image.fromarray(indices, "P")
        image.putpalette([*colours, *[0] * (768 - len(colours))])
        image.info["transparency"] = TRANSPARENT
    return image


def write_animation(
    path: Path, images: Sequence[Image.Image], durations: Sequence[float], animation: Animation, quality: int = 95
) -> None:
    """Writes frames as `as_image` gives them, atomically, in the format of the suffix.

    `durations` are in milliseconds; a GIF's are rounded to hundredths of a second so that the whole lasts as long.

    Raises:
        InputError: the format has no room for so many pixels, or the file cannot be written.
    """
    file_format = ANIMATED[path.suffix.lower()]
    options = _timing(file_format, durations, animation)
    if file_format != "GIF":
        options |= pillow_save_options(file_format, quality, animation.metadata)
    elif any("transparency" in image.info for image in images):
        options["disposal"] = 2  # each frame on a cleared canvas, or what was visible would stay
    if any(image.mode == "RGBA" for image in images):
        images = [image.convert("RGBA") for image in images]
    try:
        with replacing(path) as file:
            images[0].save(file, file_format, save_all=True, append_images=images[1:], **options)
    except ValueError as error:  # Pillow: the format has no room for so many pixels
        raise InputError(f"cannot write {path}: {error}") from error


def _timing(file_format: str, durations: Sequence[float], animation: Animation) -> dict[str, Any]:
    if file_format == "GIF":
        ends = np.round(np.cumsum(durations) / TICK) * TICK
        timing: dict[str, Any] = {"duration": np.diff(ends, prepend=0).astype(int).tolist()}
        return timing if animation.loop == 1 else {**timing, "loop": animation.loop}
    timing = {"loop": animation.loop, "duration": [round(duration) for duration in durations]}
    if file_format == "PNG":
        timing["duration"] = list(durations)[animation.still :]
        timing["default_image"] = animation.still
    return timing
