"""Animated pictures made larger: every frame, with its duration, and how often they are shown."""

from pathlib import Path

from PIL import Image

from lmf_sr.images.animation import ANIMATED, Animation, as_image, check_room, write_animation
from lmf_sr.upscaling.rendering import Advance, Enlarge
from lmf_sr.upscaling.size import TargetSize


def upscale_animation(
    enlarge: Enlarge, animation: Animation, output: Path, size: TargetSize, quality: int, advance: Advance
) -> tuple[int, int]:
    """Writes a larger copy, and returns its height and width. All frames are in memory until they are written.

    Raises:
        InputError: a frame that cannot be read, or an output that cannot be written.
        KeyboardInterrupt: saying where the frames so far are, an animation of their own.
    """
    height, width = size.for_file(animation.path, animation.height, animation.width)
    file_format = ANIMATED[output.suffix.lower()]
    check_room(output, file_format, height, width)
    images: list[Image.Image] = []
    durations: list[float] = []
    try:
        for frame, duration in animation.frames():
            images.append(as_image(enlarge(frame, height, width), file_format))
            durations.append(duration)
            advance(1 / animation.count)
    except KeyboardInterrupt as interrupt:
        if len(durations) < 2:
            raise
        kept = output.with_name(f"{output.stem}.part{output.suffix}")
        write_animation(kept, images[: len(durations)], durations, animation, quality)
        told = f"the first {len(durations)} of {animation.count} frames of {animation.path} are in {kept}"
        raise KeyboardInterrupt(told) from interrupt
    write_animation(output, images, durations, animation, quality)
    return height, width
