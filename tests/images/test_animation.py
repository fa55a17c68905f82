"""Animations keep their frames, durations and loops, whatever the format."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lmf_sr.errors import InputError
from lmf_sr.images import read_picture
from lmf_sr.images.animation import as_image, is_animated, open_animation, write_animation
from lmf_sr.images.pictures import from_samples


def colours(*names: str, mode: str = "RGB") -> list[Image.Image]:
    return [Image.new(mode, (10, 8), name) for name in names]


def shown(path: Path) -> list[tuple[np.ndarray, float]]:
    """Each frame as RGBA of 8 bits, and its duration."""
    with Image.open(path) as image:
        frames = []
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            rgba = np.asarray(image.convert("RGBA"))
            frames.append((rgba, image.info.get("duration", 0)))
        return frames


def rewrite(source: Path, output: Path) -> None:
    animation = open_animation(source)
    assert animation is not None
    frames, durations = zip(*animation.frames(), strict=True)
    file_format = {".gif": "GIF", ".png": "PNG", ".webp": "WEBP"}[output.suffix]
    write_animation(output, [as_image(frame, file_format) for frame in frames], durations, animation)


@pytest.mark.parametrize("before", [".gif", ".png", ".webp"])
@pytest.mark.parametrize("after", [".gif", ".png", ".webp"])
def test_frames_durations_and_loop(tmp_path: Path, before: str, after: str) -> None:
    first, *others = colours("red", "lime", "blue", "white")
    times = [100, 50, 240, 30]
    first.save(tmp_path / f"a{before}", save_all=True, append_images=others, duration=times, loop=3, lossless=True)
    rewrite(tmp_path / f"a{before}", tmp_path / f"b{after}")
    frames = shown(tmp_path / f"b{after}")
    assert [duration for _, duration in frames] == times
    for (rgba, _), frame in zip(frames, [first, *others], strict=True):
        assert np.abs(rgba.astype(int) - np.asarray(frame.convert("RGBA"))).max() <= 3  # WebP loses a little
    with Image.open(tmp_path / f"b{after}") as image:
        assert image.info["loop"] == 3


@pytest.mark.parametrize("after", [".gif", ".png", ".webp"])
def test_a_gif_that_is_shown_once(tmp_path: Path, after: str) -> None:
    first, second = colours("red", "lime")
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second], duration=100)
    rewrite(tmp_path / "a.gif", tmp_path / f"b{after}")
    with Image.open(tmp_path / f"b{after}") as image:
        assert image.info.get("loop", 1) == 1


def test_durations_that_a_gif_cannot_hold_add_up(tmp_path: Path) -> None:
    first, *others = colours("red", "lime", "blue", "white", "black")
    first.save(tmp_path / "a.webp", save_all=True, append_images=others, duration=33)
    rewrite(tmp_path / "a.webp", tmp_path / "b.gif")
    assert [duration for _, duration in shown(tmp_path / "b.gif")] == [30, 40, 30, 30, 30]


@pytest.mark.parametrize("before", [".gif", ".png", ".webp"])
@pytest.mark.parametrize("after", [".gif", ".png", ".webp"])
def test_what_moves_leaves_no_trace_on_transparency(tmp_path: Path, before: str, after: str) -> None:
    frames = []
    for left in (0, 3, 6):
        rgba = np.zeros((8, 10, 4), np.uint8)
        rgba[2:6, left : left + 3] = 255, 0, 0, 255
        frames.append(Image.fromarray(rgba))
    frames[0].save(
        tmp_path / f"a{before}",
        save_all=True,
        append_images=frames[1:],
        duration=100,
        loop=0,
        lossless=True,
        disposal=2,
    )
    rewrite(tmp_path / f"a{before}", tmp_path / f"b{after}")
    for (rgba, _), frame in zip(shown(tmp_path / f"b{after}"), frames, strict=True):
        expected = np.asarray(frame)
        assert np.array_equal(rgba[..., 3], expected[..., 3])
        visible = expected[..., 3] > 0
        assert np.abs(rgba[visible].astype(int) - expected[visible]).max() < 40  # WebP halves chroma


def test_a_still_for_viewers_without_animation_stays(tmp_path: Path) -> None:
    still, *frames = colours("white", "red", "lime")
    still.save(tmp_path / "a.png", save_all=True, append_images=frames, duration=[70, 90], default_image=True)
    rewrite(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["default_image"]
    assert [duration for _, duration in shown(tmp_path / "b.png")][1:] == [70, 90]


def test_a_gif_s_palette_is_dithered() -> None:
    """A slope of more colours than a palette has keeps its mean."""
    rng = np.random.default_rng(0)
    samples = np.stack([*np.meshgrid(np.arange(64) * 4, np.arange(64) * 4), rng.integers(0, 256, (64, 64))], -1)
    image = as_image(from_samples(samples.astype(np.uint8)), "GIF")
    assert image.mode == "P"
    assert np.abs(np.asarray(image.convert("RGB")).astype(int).mean((0, 1)) - samples.mean((0, 1))).max() < 1.5


@pytest.mark.parametrize(("suffix", "count", "moves"), [(".gif", 1, False), (".gif", 2, True), (".tif", 2, False)])
def test_what_moves(tmp_path: Path, suffix: str, count: int, moves: bool) -> None:
    first, *others = colours(*["red", "lime"][:count])
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=others)
    assert is_animated(tmp_path / f"a{suffix}") == moves
    assert (open_animation(tmp_path / f"a{suffix}") is not None) == moves
    assert not is_animated(tmp_path / "missing.gif")


def read_all(path: Path) -> None:
    """The file as `upscale` reads it. A WebP that is cut off does not open as an animation."""
    animation = open_animation(path)
    if animation is None:
        read_picture(path)
    else:
        list(animation.frames())


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_a_frame_that_is_damaged(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (32, 32, 3), np.uint8)) for i in range(3)]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], lossless=True)
    content = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(InputError, match=rf"cannot read .*a\{suffix}"):
        read_all(tmp_path / f"a{suffix}")
