"""Clips made larger, frame by frame: memory does not grow with their length. This file needs PyAV, an extra."""

import warnings
from pathlib import Path

import numpy as np

from lmf_sr.errors import InputWarning
from lmf_sr.images import to_samples
from lmf_sr.images.pictures import from_samples
from lmf_sr.upscaling.rendering import Advance, Enlarge
from lmf_sr.upscaling.size import TargetSize
from lmf_sr.video.reading import Clip, opened
from lmf_sr.video.writing import check_clip_size, clip_writer, even


def upscale_clip(enlarge: Enlarge, source: Path, output: Path, size: TargetSize, advance: Advance) -> tuple[int, int]:
    """Writes a larger copy, and returns its height and width. Sides become even, as clips need them.

    Raises:
        InputError: a clip that cannot be read, or an output that cannot be written.
        Interrupted: Ctrl-C, after which the frames so far are a clip of their own.
    Warns:
        InputWarning: what of the source is not done, or not kept.
    """
    with opened(source) as clip:
        wanted = size.for_file(source, clip.height, clip.width)
        height, width = even(*wanted)
        check_clip_size(output, height, width)
        with clip_writer(output, clip, height, width) as writer:
            if wanted != (height, width):
                _warn(source, f"{wanted[1]}x{wanted[0]} pixels became {width}x{height}, because a clip has even sides")
            for note in (*clip.notes, *writer.notes):
                _warn(source, note)
            small = large = np.empty((0, 0, 3), np.uint8)
            shown = 0.0
            for packet in clip.packets():
                if packet.stream.index != clip.stream.index:
                    writer.copy(packet)
                    continue
                for frame in clip.frames(packet):
                    if not np.array_equal(frame.rgb, small):  # slides, and drawings that stand still
                        small = frame.rgb
                        large = to_samples(enlarge(from_samples(small), height, width), "PNG")  # in its depth
                    writer.write(frame._replace(rgb=large))
                    share = _share_done(clip, float(writer.seconds))
                    advance(share - shown)
                    shown = share
        if clip.undecoded:
            _warn(source, f"{clip.undecoded} of its packets are damaged, and their frames are left out")
    return height, width


def _share_done(clip: Clip, seconds: float) -> float:
    return min(seconds / float(clip.seconds), 1.0) if clip.seconds else 0.0


def _warn(source: Path, note: str) -> None:
    warnings.warn(f"{source}: {note}", InputWarning, stacklevel=3)
