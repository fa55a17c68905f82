"""A clip's frames come upright, in its own colours, at their times; what is no clip is refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest
from clips import EVENLY, av, make_clip, scene

from lmf_sr.errors import InputError
from lmf_sr.video import is_clip
from lmf_sr.video.reading import Clip, Frame, opened


def frames(path: Path) -> tuple[Clip, list[Frame]]:
    with opened(path) as clip:
        packets = (packet for packet in clip.packets() if packet.stream.index == clip.stream.index)
        return clip, [frame for packet in packets for frame in clip.frames(packet)]


def test_frames_as_they_were_drawn_at_their_times(tmp_path: Path) -> None:
    times = [0, 512, 700, 3000, 3100, 9000]
    clip, read = frames(make_clip(tmp_path / "a.mp4", times=times))
    assert (clip.height, clip.width, clip.deep, clip.notes) == (24, 36, False, [])
    assert [frame.pts for frame in read] == times
    assert all(frame.duration > 0 for frame in read)
    for number, frame in enumerate(read):
        assert np.abs(frame.rgb.astype(int) - scene(number, 24, 36)).mean() < 3


@pytest.mark.parametrize("colour", [(1, 1, 1, 1), (6, 1, 6, 6), (9, 1, 9, 14), (1, 2, 1, 1), (5, 2, 5, 6)])
def test_colours_by_the_clip_s_own_matrix_and_range(tmp_path: Path, colour: tuple[int, int, int, int]) -> None:
    clip, read = frames(make_clip(tmp_path / "a.mkv", colour=colour))
    assert clip.colour == colour
    assert np.abs(read[0].rgb.astype(int) - scene(0, 24, 36)).mean() < 3


@pytest.mark.parametrize(("height", "matrix"), [(24, 6), (720, 1)])
def test_a_clip_without_tags_is_read_as_players_show_it(tmp_path: Path, height: int, matrix: int) -> None:
    clip, _ = frames(make_clip(tmp_path / "a.mp4", height=height, times=[0], sound=None))
    assert clip.colour == (matrix, 1, 2, 2)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_clip_is_set_upright(tmp_path: Path, rotation: int) -> None:
    clip, read = frames(make_clip(tmp_path / "a.mp4", rotation=rotation))
    upright = np.rot90(scene(0, 24, 36), rotation // 90)
    assert (clip.height, clip.width) == upright.shape[:2]
    assert np.abs(read[0].rgb.astype(int) - upright).mean() < 3


def test_ten_bits_come_in_sixteen(tmp_path: Path) -> None:
    clip, read = frames(make_clip(tmp_path / "a.mkv", 64, 96, codec="libx265", pixels="yuv420p10le", sound=None))
    assert clip.deep
    assert read[0].rgb.dtype == np.uint16
    assert np.abs(read[0].rgb / 257 - scene(0, 64, 96)).mean() < 3


@pytest.mark.parametrize(("pixels", "notes"), [("yuva420p", ["its transparency is left out"]), ("yuv420p", [])])
def test_transparency_is_not_left_out_without_a_word(tmp_path: Path, pixels: str, notes: list[str]) -> None:
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle" if pixels == "yuva420p" else "libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 36, 24, "argb" if pixels == "yuva420p" else pixels
        frame = av.VideoFrame.from_ndarray(np.full((24, 36, 4), 100, np.uint8), format="rgba")
        container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
    assert frames(path)[0].notes == notes


def test_a_name_that_looks_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_clip(tmp_path / "a.mp4").rename(tmp_path / "http:12.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(frames(Path("http:12.mp4"))[1]) == len(EVENLY)


def test_damaged_packets_are_counted_and_the_others_read(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mov", codec="png", pixels="rgb24", sound=None)
    with av.open(str(path)) as container:
        third = [packet for packet in container.demux(video=0) if packet.size][2]
    content = bytearray(path.read_bytes())
    content[third.pos + 4 : third.pos + third.size] = b"\xff" * (third.size - 4)
    path.write_bytes(content)
    clip, read = frames(path)
    assert clip.undecoded == 1
    assert len(read) == len(EVENLY) - 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.mp4", None, r"no clip .*missing\.mp4: the file does not exist"),
        (
            "empty.mp4",
            b"",
            r"cannot read .*empty\.mp4: the file is no clip of a known format, or one damaged or cut off",
        ),
        ("text.mkv", b"a line of text\n" * 99, r"cannot read .*text\.mkv: the file is no clip of a known format"),
    ],
)
def test_what_is_no_clip(tmp_path: Path, name: str, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told), opened(tmp_path / name):
        pass


def test_a_clip_that_was_cut_off(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: len(whole) // 2])
    with (
        pytest.raises(InputError, match=r"no clip of a known format, or one damaged or cut off"),
        opened(tmp_path / "a.mp4"),
    ):
        pass


def test_sound_alone(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        audio = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    with pytest.raises(InputError, match=r"a\.mp4: it has no video stream; it holds audio"), opened(tmp_path / "a.mp4"):
        pass


@pytest.mark.parametrize(("name", "expected"), [("a.MP4", True), ("b.webm", True), ("c.gif", False), ("d.png", False)])
def test_clips_are_known_by_their_suffix(name: str, expected: bool) -> None:
    assert is_clip(name) == expected
