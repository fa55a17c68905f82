"""Reads a clip: its frames, upright and as RGB, and the packets of its sound as they are.

A frame's luma and chroma become RGB by the clip's own matrix and range. Where a clip names no matrix, players take BT.709
for high definition and BT.601 for less; so it is read here as they show it, and written with the matrix named.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8, UInt16

from lmf_sr.errors import InputError

RGB: TypeAlias = UInt8[np.ndarray, "H W 3"] | UInt16[np.ndarray, "H W 3"]

EXACT = (
    0x4 | 0x2000 | 0x4000 | 0x40000
)  # swscale: bicubic chroma, in full where it is read and written, rounded exactly
BT709, BT601 = 1, 6  # FFmpeg's numbers of matrices
SWSCALE = {BT709: 1, 4: 4, 5: 5, BT601: 5, 7: 7, 9: 9}  # swscale's numbers of the matrices that it knows
LIMITED, FULL = 1, 2  # luma from 16 to 235, or from 0 to 255


class Colour(NamedTuple):
    """The encoding of colours, by FFmpeg's numbers (ITU-T H.273)."""

    matrix: int
    range: int
    primaries: int
    transfer: int


class Frame(NamedTuple):
    """A frame and when it is shown, in the clip's time base; a duration of 0 is one that is not told."""

    rgb: RGB
    pts: int
    duration: int


class Clip:
    """An open clip and its main video stream.

    Attributes:
        height, width: sides of the upright picture.
        aspect: width of a pixel by its height.
        deep: whether samples have more than 8 bits, and frames come in 16.
        time_base: the unit of frames' times, in seconds.
        start: when the clip begins, in seconds.
        seconds: how long it lasts; None where it does not say.
        rate: frames in a second, on average.
        notes: sentences on what is not kept, without their beginning, which is the file's name.
        undecoded: packets, so far, that were too damaged to decode.
    """

    def __init__(self, path: Path, container: InputContainer, first: av.VideoFrame) -> None:
        self.path, self.container = path, container
        self.stream = main_stream(path, container)
        self.stream.thread_type = "AUTO"
        self.turn = Turn.from_frame(first)
        self.height, self.width = self.turn.shape(first.height, first.width)
        aspect = self.stream.sample_aspect_ratio or Fraction(1)
        self.aspect = 1 / aspect if self.turn.transposed else aspect
        self.deep = max(component.bits for component in first.format.components) > 8
        self.colour = _colour(first)
        self.time_base = self.stream.time_base or Fraction(1, 1000)
        self.start = max(Fraction(container.start_time or 0, av.time_base), Fraction(0))
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.seconds = _seconds(container, self.stream)
        self.notes: list[str] = []
        if first.interlaced_frame:
            self.notes.append("it is interlaced, so lines of two moments become one picture: deinterlace it first")
        if _is_transparent(first):
            self.notes.append("its transparency is left out")
        self.undecoded = 0
        self._converter = VideoReformatter()
        self._next = 0

    def packets(self) -> Iterator[av.Packet]:
        """All packets, in the order of the file. Raises InputError where it cannot be read on."""
        try:
            yield from self.container.demux()
        except av.error.FFmpegError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from error

    def frames(self, packet: av.Packet) -> Iterator[Frame]:
        """The frames that a packet of `stream` completes: none if it is damaged, which `undecoded` counts."""
        try:
            decoded = self.stream.decode(packet if packet.size else None)
        except (av.error.InvalidDataError, av.error.EOFError):
            self.undecoded += bool(packet.size)
            return
        for frame in decoded:
            pts = self._next if frame.pts is None else max(frame.pts, self._next)  # later than the frame before
            duration = frame.duration or round(1 / (self.rate * self.time_base))
            self._next = pts + 1 if frame.pts is not None else pts + duration
            yield Frame(self.turn.upright(self._rgb(frame)), pts, duration)

    def _rgb(self, frame: av.VideoFrame) -> RGB:
        rgb = self._converter.reformat(
            frame,
            format="rgb48le" if self.deep else "rgb24",
            src_colorspace=SWSCALE[self.colour.matrix],
            src_color_range=self.colour.range,
            dst_color_range=FULL,
            interpolation=EXACT,
        )
        return rgb.to_ndarray()


@contextmanager
def opened(path: Path) -> Iterator[Clip]:
    """A clip to read.

    Raises:
        InputError: a file that is missing, no clip, or damaged; or one without video that can be decoded.
    """
    with _container(path) as container:  # the first frame tells what no header does
        stream = main_stream(path, container)
        first = next(_whole_frames(container, stream), None)
        if first is None:
            raise InputError(f"cannot read {path}: none of its frames can be decoded; the file is damaged or has none")
    with _container(path) as container:
        yield Clip(path, container, first)


@contextmanager
def _container(path: Path) -> Iterator[InputContainer]:
    try:
        # The protocol keeps FFmpeg from taking a name such as 12:30.mp4 for an address, and a file from naming others.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except av.error.FileNotFoundError:
        raise InputError(f"no clip {path}: the file does not exist") from None
    except av.error.InvalidDataError:
        raise InputError(
            f"cannot read {path}: the file is no clip of a known format, or one damaged or cut off"
        ) from None
    except av.error.FFmpegError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    with container:
        yield container


def main_stream(path: Path, container: InputContainer) -> VideoStream:
    """The video stream that players show. Raises InputError where there is none that can be decoded."""
    shown = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not shown:
        holds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise InputError(f"cannot upscale {path}: it has no video stream; it holds {holds}")
    best = container.streams.best("video")
    stream = best if best in shown else shown[0]
    assert isinstance(stream, VideoStream)
    if stream.codec_context is None:
        raise InputError(f"cannot read {path}: its video is of a codec that is not read here: convert it to H.264")
    return stream


def _whole_frames(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                continue
    except av.error.FFmpegError:
        return


def _seconds(container: InputContainer, stream: Stream) -> Fraction | None:
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    return Fraction(container.duration, av.time_base) if container.duration else None


def _colour(frame: av.VideoFrame) -> Colour:
    """The frame's tags; where they say nothing of use, what players assume."""
    high_definition = frame.width >= 1280 or frame.height > 576
    matrix = int(frame.colorspace)
    if matrix not in SWSCALE:
        matrix = BT709 if high_definition else BT601
    full = int(frame.color_range) == FULL or frame.format.name.startswith("yuvj")
    return Colour(matrix, FULL if full else LIMITED, int(frame.color_primaries), int(frame.color_trc))


def _is_transparent(frame: av.VideoFrame) -> bool:
    """Whether any pixel of the frame is transparent. The format of a GIF's frames allows it, but hardly any frame is."""
    may_be = frame.format.has_palette or any(component.is_alpha for component in frame.format.components)
    return may_be and bool(frame.reformat(format="rgba").to_ndarray()[..., 3].min() < 255)


class Turn(NamedTuple):
    """The turn that sets a frame upright: rows and columns are exchanged, then rows or columns reversed."""

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    @classmethod
    def from_frame(cls, frame: av.VideoFrame) -> "Turn":
        """The frame's display matrix says that its pixel (x, y) is shown at (a x + c y, b x + d y)."""
        side_data = cast(Any, frame.side_data).get("DISPLAYMATRIX")  # PyAV's types know of motion vectors alone
        if side_data is None:
            return cls()
        a, b, _, c, d, *_ = np.frombuffer(side_data, np.int32)
        if abs(b) > abs(a):
            return cls(True, upside_down=bool(b < 0), mirrored=bool(c < 0))
        return cls(False, upside_down=bool(d < 0), mirrored=bool(a < 0))

    def shape(self, height: int, width: int) -> tuple[int, int]:
        return (width, height) if self.transposed else (height, width)

    def upright(self, rgb: RGB) -> np.ndarray:
        turned = rgb.transpose(1, 0, 2) if self.transposed else rgb
        return turned[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]
