"""Writes frames as a clip, with the sound of the clip that they came from.

Frames of 8 bits are written as H.264, deeper ones as H.265 of 10 bits, and a .webm holds VP9 of 8 bits. All have one sample
of chroma for four of luma (4:2:0), which every player shows, and which makes even sides necessary. Frames keep their times
in the time base of their source, whether they are evenly spaced or not. Other streams are copied; sound that the container
cannot hold is encoded anew.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream
from av.video.reformatter import VideoReformatter

from lmf_sr.atomic import Interrupted, replacing
from lmf_sr.errors import InputError
from lmf_sr.video import WRITTEN
from lmf_sr.video.reading import EXACT, FULL, SWSCALE, Clip, Frame

LARGEST_SIDE = 16384  # pixels; of H.264 and its kin
SMALLEST_H265 = 64  # pixels a side; with frames smaller than its blocks, x265 writes beyond its memory
SOUND = {"webm": "libopus"}  # the codec of sound that is encoded anew, for a container; else AAC
LEFT_OUT = {"subtitle": "subtitles", "data": "data", "attachment": "attachments", "video": "further pictures"}
ENCODED_METADATA = ("major_brand", "minor_version", "compatible_brands", "encoder")  # what each container writes itself


class Codec(NamedTuple):
    """An encoder of FFmpeg, its pixels, and its options: a quality at which losses are hardly seen."""

    name: str
    pixels: str
    options: dict[str, str]
    tag: str | None = None


H264 = Codec("libx264", "yuv420p", {"crf": "16", "preset": "medium"})
H265 = Codec("libx265", "yuv420p10le", {"crf": "18", "preset": "medium", "x265-params": "log-level=error"}, "hvc1")
VP9 = Codec("libvpx-vp9", "yuv420p", {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"})


def even(height: int, width: int) -> tuple[int, int]:
    """The nearest sides, not smaller, with which chroma of 4:2:0 can be written."""
    return height + height % 2, width + width % 2


def check_clip_size(path: Path, height: int, width: int) -> None:
    """Raises InputError where the suffix is of no container that is written, or a side is longer than its codec allows."""
    if path.suffix.lower() not in WRITTEN:
        raise InputError(f"cannot write {path}: the suffix of a clip must be one of {', '.join(WRITTEN)}")
    if max(height, width) > LARGEST_SIDE:
        raise InputError(f"cannot write {path} with {width}x{height} pixels: a clip ends at {LARGEST_SIDE} a side")


@contextmanager
def clip_writer(path: Path, clip: Clip, height: int, width: int) -> Iterator["ClipWriter"]:
    """A clip to write, which takes the place of `path` when the block ends without an error.

    After Ctrl-C, the frames so far are a clip of their own, PATH.part.SUFFIX, and the interruption says so.

    Raises:
        InputError: a file that cannot be written, or a codec that is not here.
        Interrupted: Ctrl-C, after which something is kept.
    """
    kept = path.with_name(f"{path.stem}.part{path.suffix}")
    with replacing(path) as file:
        container = av.open(file.name, "w", format=WRITTEN[path.suffix.lower()], options=_container_options(path))
        with container:
            writer = ClipWriter(path, container, clip, height, width)
            try:
                yield writer
            except KeyboardInterrupt as interrupt:
                if not writer.frames:
                    raise
                writer.finish()
                told = f"the first {float(writer.seconds):.1f} s of {clip.path} are in {kept}"
                raise Interrupted(told, kept) from interrupt
            writer.finish()
            if not writer.frames:
                raise InputError(f"cannot read {clip.path}: none of its frames can be decoded; the file is damaged")


def _container_options(path: Path) -> dict[str, str]:
    """MP4 and MOV with their index in front, so that they play while they are loaded."""
    return {"movflags": "+faststart"} if WRITTEN[path.suffix.lower()] in ("mp4", "mov") else {}


class ClipWriter:
    """Writes frames and copies packets into a container; after `finish` it can be played.

    Attributes:
        frames: how many were written.
        seconds: when the last of them ends, from the clip's start.
        notes: sentences on what is not kept, without their beginning, which is the source's name.
    """

    def __init__(self, path: Path, container: OutputContainer, clip: Clip, height: int, width: int) -> None:
        self.container, self.clip = container, clip
        self.frames, self.seconds = 0, Fraction(0)
        self.notes: list[str] = []
        self._converter = VideoReformatter()
        webm = container.format.name == "webm"
        self.codec = VP9 if webm else H265 if clip.deep and min(height, width) >= SMALLEST_H265 else H264
        if clip.deep and self.codec is not H265:
            self.notes.append("written in 8 bits: a larger .mp4 or .mkv keeps 10")
        try:
            self.stream = self._add_video(height, width)
            self.stream.codec_context.open()
        except (av.error.FFmpegError, ValueError) as error:  # PyAV: the codec is not in this build
            raise InputError(
                f"cannot write {path} with {width}x{height} pixels by {self.codec.name}: {error}"
            ) from error
        self.others = self._add_others()
        container.metadata.update({k: v for k, v in clip.container.metadata.items() if k not in ENCODED_METADATA})
        container.set_chapters(clip.container.chapters())

    def _add_video(self, height: int, width: int) -> av.VideoStream:
        clip = self.clip
        stream = self.container.add_stream(self.codec.name, rate=clip.rate, options=dict(self.codec.options))
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, self.codec.pixels
        context.time_base = stream.time_base = clip.time_base
        context.sample_aspect_ratio = clip.aspect
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = clip.colour
        if self.codec.tag and self.container.format.name in ("mp4", "mov"):
            context.codec_tag = self.codec.tag
        _copy_labels(clip.stream, stream)
        return stream

    def _add_others(self) -> dict[int, "_Copy | _Encoding"]:
        """The ways in which the source's other streams are written, by their numbers; a note names those left out."""
        holds = self.container.supported_codecs
        others: dict[int, _Copy | _Encoding] = {}
        left_out: list[str] = []
        for source in self.clip.container.streams:
            if source is self.clip.stream:
                continue
            codec = source.codec_context.name if source.codec_context else None
            if source.type in ("audio", "subtitle") and codec in holds:
                others[source.index] = _Copy(self.container, source)
            elif isinstance(source, AudioStream) and codec:
                others[source.index] = _Encoding(self.container, source)
            else:
                left_out.append(LEFT_OUT.get(source.type, source.type) + (f" ({codec})" if codec else ""))
        if left_out:
            self.notes.append(
                f"left out, because {self.container.format.name} has no room for it: {', '.join(left_out)}"
            )
        return others

    def write(self, frame: Frame) -> None:
        """Encodes a frame of the written size."""
        picture = av.VideoFrame.from_ndarray(frame.rgb, format="rgb48le" if frame.rgb.itemsize == 2 else "rgb24")
        encoded = self._converter.reformat(
            picture,
            format=self.codec.pixels,
            dst_colorspace=SWSCALE[self.clip.colour.matrix],
            src_color_range=FULL,
            dst_color_range=self.clip.colour.range,
            interpolation=EXACT,
        )
        encoded.time_base, encoded.pts, encoded.duration = self.clip.time_base, self._shifted(frame.pts), frame.duration
        with _unbroken():
            self.container.mux(self.stream.encode(encoded))
            self.frames += 1
            self.seconds = (encoded.pts + frame.duration) * self.clip.time_base

    def _shifted(self, pts: int) -> int:
        return pts - round(self.clip.start / self.clip.time_base)

    def copy(self, packet: av.Packet) -> None:
        """Takes over a packet of another stream than the video."""
        other = self.others.get(packet.stream.index)
        if other is not None:
            with _unbroken():
                self.container.mux(other.packets(packet, self.clip.start))

    def finish(self) -> None:
        """Writes what encoders still hold."""
        with _unbroken():
            if self.frames:
                self.container.mux(self.stream.encode(None))
                for other in self.others.values():
                    self.container.mux(other.rest())


class _Copy:
    """A stream whose packets are taken over as they are."""

    def __init__(self, container: OutputContainer, source: Stream) -> None:
        self.stream = container.add_stream_from_template(source)
        _copy_labels(source, self.stream)

    def packets(self, packet: av.Packet, start: Fraction) -> list[av.Packet]:
        if packet.dts is None:  # the empty packet at the end
            return []
        late = round(start / packet.time_base)
        packet.dts -= late
        packet.pts = None if packet.pts is None else packet.pts - late
        packet.stream = self.stream
        return [packet]

    def rest(self) -> list[av.Packet]:
        return []


class _Encoding:
    """A stream of sound that is encoded anew."""

    def __init__(self, container: OutputContainer, source: AudioStream) -> None:
        codec = SOUND.get(container.format.name, "aac")
        rate = 48000 if codec == "libopus" else source.rate
        self.source = source
        stream = container.add_stream(codec, rate=rate, layout=source.layout.name)
        assert isinstance(stream, AudioStream)
        stream.bit_rate = 96000 * source.channels
        stream.codec_context.open()
        self.stream = stream
        self._resampler = AudioResampler(stream.format, stream.layout, rate, stream.codec_context.frame_size or None)
        _copy_labels(source, stream)

    def packets(self, packet: av.Packet, start: Fraction) -> list[av.Packet]:
        try:
            decoded = self.source.decode(packet if packet.size else None)
        except (av.error.InvalidDataError, av.error.EOFError):
            return []
        for frame in decoded:
            if frame.pts is not None and frame.time_base:
                frame.pts -= round(start / frame.time_base)
        return [
            encoded
            for frame in decoded
            for resampled in self._resampler.resample(frame)
            for encoded in self.stream.encode(resampled)
        ]

    def rest(self) -> list[av.Packet]:
        last = [encoded for frame in self._resampler.resample(None) for encoded in self.stream.encode(frame)]
        return last + self.stream.encode(None)


def _copy_labels(source: Stream, target: Stream) -> None:
    """Language, title and the like."""
    target.metadata.update({key: value for key, value in source.metadata.items() if key not in ENCODED_METADATA})
    target.disposition = source.disposition


@contextmanager
def _unbroken() -> Iterator[None]:
    """Holds Ctrl-C back to the end of the block, so that no packet is lost between an encoder and the file.

    Signals arrive in the main thread alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if waiting and callable(before):
        before(*waiting[0])
