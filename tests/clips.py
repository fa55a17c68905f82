"""Small clips to test with, and what a clip holds."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

av: Any = pytest.importorskip("av", reason="SKIPPED: PyAV is not installed, pip install -e .[video]")

TICK = Fraction(1, 12800)  # s, the time base
EVENLY = [512 * i for i in range(6)]  # 25 frames in a second
SOUND_RATE = 48000


def scene(number: int, height: int, width: int) -> np.ndarray:
    """A smooth picture with a corner that is unlike the others, brighter from frame to frame: (h, w, 3) of 8 bits."""
    rows, columns = np.mgrid[:height, :width]
    planes = [200 * columns / width, 200 * rows / height, np.full((height, width), 30 + 20 * number)]
    return np.stack(planes, -1).astype(np.uint8)


def make_clip(
    path: Path,
    height: int = 24,
    width: int = 36,
    times: Sequence[int] = EVENLY,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    colour: tuple[int, int, int, int] | None = None,
    rotation: int = 0,
    sound: str | None = "aac",
) -> Path:
    """Writes frames of `scene` at `times` in ticks, and a tone. `colour` is matrix, range, primaries and transfer."""
    matrix, luma, *_ = colour or (5, 1)
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options={"crf": "4"} if "26" in codec else {})
        video.width, video.height, video.pix_fmt = width, height, pixels
        video.codec_context.time_base = video.time_base = TICK
        context = video.codec_context
        if colour:
            context.colorspace, context.color_range, context.color_primaries, context.color_trc = colour
        if rotation:
            video.set_display_rotation(rotation)
        audio = container.add_stream(sound, rate=SOUND_RATE, layout="stereo") if sound else None
        for number, time in enumerate(times):
            rgb = av.VideoFrame.from_ndarray(scene(number, height, width), format="rgb24")
            frame = rgb.reformat(format=pixels, dst_colorspace=matrix, src_color_range=2, dst_color_range=luma)
            frame.pts, frame.time_base = time, TICK
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio:
            _add_tone(container, audio, seconds=float((times[-1] + 512) * TICK))
    return path


def _add_tone(container: Any, audio: Any, seconds: float) -> None:
    resampler = av.AudioResampler(audio.format, audio.layout, SOUND_RATE)
    samples = np.sin(2 * np.pi * 440 * np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE)
    for start in range(0, len(samples), 1024):
        both = np.stack([0.3 * samples[start : start + 1024]] * 2).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(both, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        for resampled in resampler.resample(frame):
            container.mux(audio.encode(resampled))
    container.mux(audio.encode(None))


class Contents(NamedTuple):
    """A clip as a player finds it: frames as RGB, their times and how long the last is shown, in seconds; its tags, and
    the codec and samples of its sound."""

    rgb: list[np.ndarray]
    times: list[float]
    last: float
    codec: str
    pixels: str
    colour: tuple[int, int, int, int]
    sound: str | None
    samples: int


def contents(path: Path) -> Contents:
    with av.open(f"file:{path}") as container:
        video = container.streams.video[0]
        context = video.codec_context
        colour = context.colorspace, context.color_range, context.color_primaries, context.color_trc
        frames = list(container.decode(video))
        codec, pixels = context.name, context.pix_fmt
        matrix = {6: 5}.get(colour[0], colour[0])
        rgb = [
            frame.reformat(
                format="rgb24",
                src_colorspace=matrix,
                src_color_range=colour[1],
                dst_color_range=2,
                interpolation=0x46004,
            ).to_ndarray()
            for frame in frames
        ]
        times = [float(frame.pts * frame.time_base) for frame in frames]
        last = float((frames[-1].duration or 0) * frames[-1].time_base)
    with av.open(f"file:{path}") as container:
        audio = container.streams.audio[0] if container.streams.audio else None
        samples = sum(frame.samples for frame in container.decode(audio)) if audio else 0
        sound = audio.codec_context.name if audio else None
    return Contents(rgb, times, last, codec, pixels, colour, sound, samples)
