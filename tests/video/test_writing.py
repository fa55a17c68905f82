"""A clip is written with the times, tags and sound of its source, whole or not at all; Ctrl-C keeps what can be played."""

import os
import signal
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from clips import SOUND_RATE, av, contents, make_clip, scene

from lmf_sr.atomic import Interrupted
from lmf_sr.errors import InputError
from lmf_sr.video.reading import Frame, opened
from lmf_sr.video.writing import ClipWriter, Codec, check_clip_size, clip_writer, even


def rewrite(source: Path, output: Path, height: int = 24, width: int = 36) -> list[str]:
    """Frames and sound as they are, in a container of the output's kind; returns the notes."""
    with opened(source) as clip, clip_writer(output, clip, height, width) as writer:
        for packet in clip.packets():
            if packet.stream.index != clip.stream.index:
                writer.copy(packet)
            else:
                for frame in clip.frames(packet):
                    writer.write(frame)
        return writer.notes


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_uneven_times_stay(tmp_path: Path, suffix: str) -> None:
    times = [0, 512, 700, 3000, 3100, 9000]
    rewrite(make_clip(tmp_path / "a.mp4", times=times), tmp_path / f"b{suffix}")
    before, after = contents(tmp_path / "a.mp4"), contents(tmp_path / f"b{suffix}")
    # Matroska counts milliseconds, and begins with the sound, which AAC begins a little early.
    if suffix in (".mp4", ".mov"):
        assert after.times == pytest.approx(before.times)
    else:
        assert np.diff(after.times) == pytest.approx(np.diff(before.times), abs=1.1e-3)
    assert after.last == pytest.approx(before.last, abs=0.02)
    for number, rgb in enumerate(after.rgb):
        assert np.abs(rgb.astype(int) - scene(number, 24, 36)).mean() < 4


@pytest.mark.parametrize(
    ("codec", "suffix", "after"),
    [
        ("aac", ".mp4", "aac"),
        ("aac", ".mkv", "aac"),
        ("pcm_s16le", ".mov", "pcm_s16le"),
        ("aac", ".webm", "opus"),
        ("pcm_s16le", ".webm", "opus"),
    ],
)
def test_sound_is_copied_or_encoded_anew_where_there_is_no_room(
    tmp_path: Path, codec: str, suffix: str, after: str
) -> None:
    source = make_clip(tmp_path / "a.mov", sound=codec)
    assert rewrite(source, tmp_path / f"b{suffix}") == []
    heard = contents(tmp_path / f"b{suffix}")
    assert heard.sound is not None
    assert heard.sound.startswith(after) or heard.sound == f"lib{after}"
    assert heard.samples == pytest.approx(contents(source).samples, abs=0.05 * SOUND_RATE)


def test_copied_sound_is_the_same_bytes(tmp_path: Path) -> None:
    rewrite(make_clip(tmp_path / "a.mp4"), tmp_path / "b.mkv")

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert packets(tmp_path / "a.mp4") == packets(tmp_path / "b.mkv")


@pytest.mark.parametrize("colour", [(1, 1, 1, 1), (9, 1, 9, 14), (1, 2, 1, 1)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_colours_and_their_tags_stay(tmp_path: Path, colour: tuple[int, int, int, int], suffix: str) -> None:
    rewrite(make_clip(tmp_path / "a.mkv", colour=colour), tmp_path / f"b{suffix}")
    after = contents(tmp_path / f"b{suffix}")
    assert after.colour == colour
    assert np.abs(after.rgb[0].astype(int) - scene(0, 24, 36)).mean() < 3


@pytest.mark.parametrize(
    ("suffix", "side", "codec", "pixels"),
    [(".mp4", 64, "hevc", "yuv420p10le"), (".mp4", 62, "h264", "yuv420p"), (".webm", 64, "vp9", "yuv420p")],
)
def test_ten_bits_stay_where_they_can(tmp_path: Path, suffix: str, side: int, codec: str, pixels: str) -> None:
    make_clip(tmp_path / "a.mkv", 64, 96, codec="libx265", pixels="yuv420p10le", sound=None, colour=(9, 1, 9, 16))
    with opened(tmp_path / "a.mkv") as clip, clip_writer(tmp_path / f"b{suffix}", clip, side, 96) as writer:
        frame = next(frame for packet in clip.packets() for frame in clip.frames(packet))
        writer.write(frame._replace(rgb=frame.rgb[:side].copy()))
    after = contents(tmp_path / f"b{suffix}")
    assert (after.codec, after.pixels, after.colour) == (codec, pixels, (9, 1, 9, 16))
    assert bool(writer.notes) == (codec != "hevc")
    assert np.abs(after.rgb[0].astype(int) - scene(0, 64, 96)[:side]).mean() < 3


def test_a_start_later_than_0_is_moved_there(tmp_path: Path) -> None:
    """A transport stream begins at any time."""
    rewrite(make_clip(tmp_path / "a.ts", times=[40000, 40512, 42000], sound=None), tmp_path / "b.mp4")
    before, after = contents(tmp_path / "a.ts"), contents(tmp_path / "b.mp4")
    assert before.times[0] > 3
    assert after.times == pytest.approx(np.array(before.times) - before.times[0], abs=1e-4)


def test_sound_from_a_transport_stream(tmp_path: Path) -> None:
    """AAC is laid out differently in an MP4."""
    rewrite(make_clip(tmp_path / "a.ts"), tmp_path / "b.mp4")
    before, after = contents(tmp_path / "a.ts"), contents(tmp_path / "b.mp4")
    assert (after.sound, after.samples) == ("aac", before.samples)
    assert np.diff(after.times) == pytest.approx(np.diff(before.times), abs=1e-4)


def test_title_and_language_stay(tmp_path: Path) -> None:
    with opened(make_clip(tmp_path / "a.mp4")) as clip:
        clip.container.metadata["title"] = "A walk"
        clip.container.streams.audio[0].metadata["language"] = "fin"
        with clip_writer(tmp_path / "b.mp4", clip, 24, 36) as writer:
            for packet in clip.packets():
                writer.copy(packet)
                for frame in clip.frames(packet) if packet.stream.index == clip.stream.index else []:
                    writer.write(frame)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.metadata["title"] == "A walk"
        assert container.streams.audio[0].metadata["language"] == "fin"


def test_what_has_no_room_is_named(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", sound=None)
    with av.open(str(source)) as clip, av.open(str(tmp_path / "b.mkv"), "w") as container:
        copy = container.add_stream_from_template(clip.streams.video[0], opaque=True)
        container.add_attachment("font.ttf", "font/ttf", b"a font")
        for packet in clip.demux(video=0):
            if packet.size:
                packet.stream = copy
                container.mux(packet)
    (note,) = rewrite(tmp_path / "b.mkv", tmp_path / "c.mp4")
    assert note.startswith("left out, because mp4 has no room for it: attachments")


def frame_at(number: int) -> Frame:
    return Frame(scene(number, 24, 36), 512 * number, 512)


def write(source: Path, output: Path, frames: int, end: Callable[[ClipWriter], None]) -> None:
    """Writes frames, then ends as told."""
    with opened(source) as clip, clip_writer(output, clip, 24, 36) as writer:
        for number in range(frames):
            writer.write(frame_at(number))
        end(writer)


def interrupt(writer: ClipWriter) -> None:
    raise KeyboardInterrupt


def fail(writer: ClipWriter) -> None:
    raise RuntimeError


def interrupt_while_encoding(writer: ClipWriter) -> None:
    container, signals = writer.container, iter([signal.SIGINT])

    def strike(packets: object) -> None:
        for number in signals:
            os.kill(os.getpid(), number)
        container.mux(packets)

    writer.container = Mock(mux=strike)
    writer.write(frame_at(3))
    pytest.fail("the interruption was lost")


def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    source, output = make_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    with pytest.raises(Interrupted, match=r"the first 0\.1 s of .*a\.mp4 are in .*b\.part\.mp4"):
        write(source, output, 3, interrupt)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4", "b.part.mp4"]
    assert contents(tmp_path / "b.part.mp4").times == pytest.approx([0, 0.04, 0.08])


def test_ctrl_c_before_the_first_frame_leaves_nothing(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4")
    with pytest.raises(KeyboardInterrupt):
        write(source, tmp_path / "b.mp4", 0, interrupt)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_ctrl_c_while_a_frame_is_encoded_loses_none(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4")
    with pytest.raises(Interrupted):
        write(source, tmp_path / "b.mp4", 3, interrupt_while_encoding)
    assert contents(tmp_path / "b.part.mp4").times == pytest.approx([0, 0.04, 0.08, 0.12])


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4")
    with pytest.raises(RuntimeError):
        write(source, tmp_path / "b.mp4", 3, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_clip(tmp_path / "a.mp4")
    full = av.error.OSError(28, "No space left on device")
    monkeypatch.setattr(ClipWriter, "finish", Mock(side_effect=full))
    with pytest.raises(InputError, match=r"cannot write .*b\.mp4: No space left on device"):
        rewrite(source, tmp_path / "b.mp4")
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("name", "side", "told"),
    [
        ("a.avi", 8, r"cannot write a\.avi: the suffix of a clip must be one of \.mp4, "),
        ("a.gif", 8, r"cannot write a\.gif: the suffix of a clip must be one of \.mp4, "),
        ("a.mp4", 16386, r"cannot write a\.mp4 with 8x16386 pixels: a clip ends at 16384 a side"),
    ],
)
def test_what_cannot_be_written(name: str, side: int, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_clip_size(Path(name), side, 8)


def test_a_codec_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmf_sr.video.writing.H264", Codec("libnone", "yuv420p", {}))
    with pytest.raises(InputError, match=r"cannot write .*b\.mp4 with 36x24 pixels by libnone"):
        rewrite(make_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4")


def test_sides_become_even() -> None:
    assert [even(*sides) for sides in ((5, 7), (6, 8), (1, 1))] == [(6, 8), (6, 8), (2, 2)]


def test_pixels_that_are_not_square_stay_so(tmp_path: Path) -> None:
    with opened(make_clip(tmp_path / "a.mp4")) as clip:
        clip.aspect = Fraction(4, 3)
        with clip_writer(tmp_path / "b.mp4", clip, 24, 36) as writer:
            writer.write(frame_at(0))
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
