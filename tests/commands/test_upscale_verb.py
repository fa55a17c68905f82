"""`lmf-sr upscale`: any factor, any size, files and folders; what a file holds is kept, and inputs are never overwritten."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from command_line import Run

from lmf_sr.checkpoints import load
from lmf_sr.cmsr.calibration import Calibration
from lmf_sr.commands import upscale
from lmf_sr.images import Picture, imresize, read_picture, write_picture
from lmf_sr.jobs.settings import calibration_of


def picture(height: int = 12, width: int = 16, **kept: object) -> Picture:
    return Picture(torch.rand(3, height, width, generator=torch.Generator().manual_seed(0)), **kept)  # type: ignore[arg-type]


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything as with large pictures."""
    monkeypatch.setattr("lmf_sr.images.streaming.GATHERED", 0)
    monkeypatch.setattr("lmf_sr.images.streaming.TILE", 16)
    monkeypatch.setattr("lmf_sr.model.HELD_AT_ONCE", 64)
    monkeypatch.setattr("lmf_sr.model.PREPARED_AT_ONCE", 32)
    monkeypatch.setattr("lmf_sr.model.PREPARED_IN_PLACE", 32)
    monkeypatch.setattr("lmf_sr.model.PIXELS_PER_BAND", 1000)
    monkeypatch.setattr("lmf_sr.rendering.blocked.PIXELS_PER_BAND", 1000)
    monkeypatch.setattr("lmf_sr.rendering.tiling.ENCODED_AT_ONCE", 100)


def test_a_fractional_scale(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    write_picture(tmp_path / "photo.png", picture())
    assert run("upscale", "photo.png", "--scale", "3.7", "--model", checkpoint).status == 0
    written, lr = read_picture(tmp_path / "photo_x3.7.png").rgb, read_picture(tmp_path / "photo.png").rgb
    expected = load(checkpoint).encode(lr).render(44, 59)[0]
    assert (written - expected).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(("size", "height", "width"), [("64x30", 30, 64), ("32x", 24, 32), ("x36", 36, 48)])
def test_a_size(run: Run, tmp_path: Path, checkpoint: Path, size: str, height: int, width: int) -> None:
    write_picture(tmp_path / "photo.jpg", picture())
    assert run("upscale", "photo.jpg", "--size", size, "--model", checkpoint).status == 0
    assert read_picture(tmp_path / f"photo_{size}.jpg").rgb.shape[1:] == (height, width)


def test_rendering_in_bands_changes_nothing(checkpoint: Path, small_bands: None) -> None:
    model, shares = load(checkpoint), []
    lr = picture(alpha=torch.rand(1, 12, 16))
    bands = list(upscale._bands(model, None, lr, 31, 41, shares.append))
    rgb, alpha = torch.cat([band.rgb for band in bands], dim=1), torch.cat([band.alpha for band in bands], dim=1)
    torch.testing.assert_close(rgb, model.encode(lr.rgb).render(31, 41)[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(alpha, imresize(lr.alpha, 31, 41).clamp(0, 1), atol=1e-5, rtol=0)
    assert len(shares) > 5
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("kept", [{}, {"bit_depth": 16, "alpha": torch.rand(1, 12, 16)}, {"grey": True}])
def test_a_large_picture_is_written_as_it_is_rendered(
    run: Run, tmp_path: Path, checkpoint: Path, small_bands: None, suffix: str, kept: dict[str, Any]
) -> None:
    """The same pixels as of a picture that is held."""
    write_picture(tmp_path / "photo.png", picture(**kept))
    assert run("upscale", "photo.png", "--scale", "3.7", "-o", f"large{suffix}", "--model", checkpoint).status == 0
    lr, written = read_picture(tmp_path / "photo.png"), read_picture(tmp_path / f"large{suffix}")
    rgb = load(checkpoint).encode(lr.rgb).render(44, 59)[0]
    if lr.grey:
        rgb = rgb.mean(0, keepdim=True).expand(3, -1, -1)
    assert written.bit_depth == lr.bit_depth
    assert (written.rgb - rgb).abs().max() <= 0.5 / 255 + 1e-6
    if lr.alpha is not None:
        torch.testing.assert_close(written.alpha, imresize(lr.alpha, 44, 59).clamp(0, 1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("asked", [["--intensity", "contrast"], ["--aggregation", "pooled"]])
def test_cmsr(run: Run, tmp_path: Path, asked: list[str]) -> None:
    """By the calibration that ships with a model."""
    name = "edsr-tiny-lm-liif"
    write_picture(tmp_path / "photo.png", Picture(picture().rgb * torch.linspace(0, 1, 16) ** 4))
    assert run("upscale", "photo.png", "--scale", "6", "--model", name, "--mse-threshold", "1e-4", *asked).status == 0
    lr, written = (read_picture(tmp_path / f"photo{mark}.png").rgb for mark in ("", "_x6"))
    intensity, aggregation = ("contrast", "overall") if "contrast" in asked else ("shift", "pooled")
    image, calibration = load(name).encode(lr), Calibration.load(calibration_of(name, intensity))
    full, expected = (image.render(72, 96, cmsr=table)[0] for table in (None, calibration.table(1e-4, aggregation)))
    assert (written - expected).abs().max() <= 0.5 / 255 + 1e-6
    assert (written - full).abs().max() > 1 / 255


@pytest.mark.parametrize(
    ("model", "asked", "error"),
    [
        (
            "edsr-tiny-lte",
            ["--mse-threshold", "1e-4"],
            "CMSR is for the LMF conversions (lm-...), not for decoder 'lte'",
        ),
        ("edsr-tiny-lm-lte", ["--mse-threshold", "0"], "an MSE threshold of 0 allows no saving: it must be positive"),
        ("edsr-tiny-lm-lte", ["--table", "none.json"], "cannot read none.json"),
    ],
)
def test_cmsr_that_cannot_be(run: Run, tmp_path: Path, model: str, asked: list[str], error: str) -> None:
    write_picture(tmp_path / "photo.png", picture())
    outcome = run("upscale", "photo.png", "--scale", "6", "--model", model, *asked)
    assert outcome.status == 2
    assert error in outcome.error
    assert not (tmp_path / "photo_x6.png").exists()


KILLED = """
import sys
from lmf_sr.commands import upscale
from lmf_sr.images import streaming
from lmf_sr.rendering import blocked
from lmf_sr import model

streaming.GATHERED, streaming.TILE = 0, 16
model.PIXELS_PER_BAND = blocked.PIXELS_PER_BAND = 9600

def report(band):
    print("a band", flush=True)
    return samples(band, "TIFF")

samples, streaming.to_samples = streaming.to_samples, lambda band, _: report(band)
upscale.main(sys.argv[1:])
"""


def test_a_killed_run_leaves_no_half_written_picture_and_the_next_run_cleans_up(
    run: Run, tmp_path: Path, checkpoint: Path, small_bands: None
) -> None:
    write_picture(tmp_path / "photo.png", picture())
    arguments = ["photo.png", "--scale", "300", "-o", "out/large.tif", "--model", str(checkpoint)]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        for _ in range(50):  # some tiles are in the file
            assert process.stdout.readline() == b"a band\n"
        process.kill()
    (left,) = (tmp_path / "out").iterdir()
    assert left.suffix == ".partial"
    arguments[2] = "3"
    assert run("upscale", *arguments).status == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["large.tif"]
    assert read_picture(tmp_path / "out" / "large.tif").rgb.shape == (3, 36, 48)


def test_a_failure_while_writing_leaves_nothing(
    run: Run, tmp_path: Path, checkpoint: Path, small_bands: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / "photo.png", picture())
    monkeypatch.setattr("tifffile.TiffWriter.write", Mock(side_effect=OSError(28, "No space left on device")))
    outcome = run("upscale", "photo.png", "--scale", "3", "-o", "large.tif", "--model", checkpoint)
    assert outcome.status == 2
    assert "cannot write large.tif: No space left on device" in outcome.error
    assert [file.name for file in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize(("suffix", "limit"), [("jpg", 65535), ("webp", 16383)])
def test_a_format_with_too_little_room_is_refused_before_any_work(
    run: Run, tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, limit: int
) -> None:
    write_picture(tmp_path / "photo.png", picture())
    monkeypatch.setattr("lmf_sr.model.Model.stream", Mock(side_effect=AssertionError("rendered")))
    size = f"{limit + 1}x100"
    outcome = run("upscale", "photo.png", "--size", size, "-o", f"new/large.{suffix}", "--model", checkpoint)
    assert outcome.status == 2
    assert f"ends at {limit} a side; write .tif instead" in outcome.error
    assert not (tmp_path / "new").exists()


def test_transparency_is_upscaled_and_sixteen_bits_are_kept(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    alpha = torch.rand(1, 12, 16)
    write_picture(tmp_path / "photo.png", picture(alpha=alpha, bit_depth=16))
    assert run("upscale", "photo.png", "--scale", "2", "--model", checkpoint).status == 0
    written = read_picture(tmp_path / "photo_x2.png")
    assert written.bit_depth == 16
    assert written.alpha is not None
    torch.testing.assert_close(written.alpha, imresize(alpha, 24, 32).clamp(0, 1), atol=1e-4, rtol=0)


def test_a_grey_picture_stays_grey(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    grey = Picture(torch.rand(1, 12, 16).repeat(3, 1, 1), grey=True)
    write_picture(tmp_path / "photo.png", grey)
    assert run("upscale", "photo.png", "--scale", "2", "--model", checkpoint).status == 0
    assert read_picture(tmp_path / "photo_x2.png").grey


def test_folders_and_files_to_a_folder(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_picture(tmp_path / "photos" / "a.png", picture())
    write_picture(tmp_path / "photos" / "b.webp", picture())
    write_picture(tmp_path / "c.tif", picture())
    assert run("upscale", "photos", "c.tif", "--scale", "2", "-o", "large", "--model", checkpoint).status == 0
    assert sorted(file.name for file in (tmp_path / "large").iterdir()) == ["a.png", "b.webp", "c.tif"]


def test_a_folder_s_pictures_go_to_a_folder_beside_it(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_picture(tmp_path / "photos" / "a.png", picture())
    for _ in range(2):  # what is written is no input of the next run
        assert run("upscale", "photos", "--scale", "2", "--format", "jpg", "--model", checkpoint).status == 0
    assert [file.name for file in (tmp_path / "photos").iterdir()] == ["a.png"]
    assert [file.name for file in (tmp_path / "photos_x2").iterdir()] == ["a.jpg"]


def test_a_batch_goes_on_after_failures_and_lists_them(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a", "b", "c"):
        write_picture(tmp_path / "photos" / f"{name}.png", picture())
    truncated = tmp_path / "photos" / "b.png"
    truncated.write_bytes(truncated.read_bytes()[:-200])
    outcome = run("upscale", "photos", "missing.png", "--scale", "2", "-o", "large", "--model", checkpoint)
    assert outcome.status == 2
    assert sorted(file.name for file in (tmp_path / "large").iterdir()) == ["a.png", "c.png"]
    listed = [line for line in outcome.err.splitlines() if line.startswith("lmf-sr: ")]
    assert "b.png" in listed[0]
    assert "missing.png" in listed[1]
    assert listed[2] == outcome.error == "lmf-sr: error: 2 of 4 failed, named above; the others are done"


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")]
)
def test_a_batch_goes_on_after_an_empty_folder_and_a_lack_of_memory(
    run: Run, tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for folder in ("empty", "photos"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b"):
        write_picture(tmp_path / "photos" / f"{name}.png", picture())
    read = upscale.read_picture
    monkeypatch.setattr(
        upscale, "read_picture", lambda path: Mock(side_effect=error)() if path.stem == "a" else read(path)
    )
    outcome = run("upscale", "empty", "photos", "--scale", "2", "-o", "large", "--model", checkpoint)
    assert outcome.status == 2
    assert [file.name for file in (tmp_path / "large").iterdir()] == ["b.png"]
    listed = [line for line in outcome.err.splitlines() if line.startswith("lmf-sr: ")]
    assert "no images in the folder empty" in listed[0]
    assert "too little memory to make large/a.png of photos/a.png: write .tif" in listed[1]
    assert outcome.error == "lmf-sr: error: 2 of 3 failed, named above; the others are done"


def test_another_error_is_no_lack_of_memory(
    run: Run, tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upscale, "read_picture", Mock(side_effect=RuntimeError("a defect")))
    with pytest.raises(RuntimeError, match="a defect"):
        run("upscale", "a.png", "--scale", "2", "--model", checkpoint)


def test_an_interruption_says_how_many_are_done(
    run: Run, tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        write_picture(tmp_path / name, picture())
    write = upscale.write_bands

    def interrupted_at_b(path: Path, *content: Any) -> None:
        if "b" in path.name:
            raise KeyboardInterrupt
        write(path, *content)

    monkeypatch.setattr(upscale, "write_bands", interrupted_at_b)
    outcome = run("upscale", "a.png", "b.png", "--scale", "2", "--model", checkpoint)
    assert outcome.status == 130
    assert "lmf-sr: interrupted: 1 of 2 pictures are done and kept" in outcome.err
    assert (tmp_path / "a_x2.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.png", "--scale", "0"], "--scale 0 makes no picture larger: it must be a number of at least 1"),
        (["a.png", "--scale", "-3"], "--scale -3 makes no picture larger"),
        (["a.png", "--scale", "0.9"], "--scale 0.9 makes no picture larger"),
        (["a.png", "--scale", "nan"], "--scale nan makes no picture larger"),
        (["a.png", "--size", "8x8"], "a.png is 16x12 pixels, larger than the 8x8 asked for"),
        (["missing.png", "--scale", "2"], "missing.png"),
        (["damaged.png", "--scale", "2"], "damaged.png"),
        (["empty", "--scale", "2"], "no images in the folder empty"),
        (["a.png", "--scale", "2", "-o", "a.png"], "a.png would overwrite an input: name another --output"),
        (["a.png", "b.png", "--scale", "2", "-o", "c.png"], "--output c.png is one file"),
        (["folder", "--scale", "2", "-o", "folder"], "would overwrite an input"),
        (["a.png", "folder", "--scale", "2", "-o", "out"], "would both become out/a.png"),
        (["a.png", "--scale", "2", "-o", "a.bmp"], "cannot write a.bmp"),
        (["a.png", "--scale", "2", "-o", "b.png/out"], "b.png/out"),
        (["a.png", "--scale", "2", "--device", "abacus"], "device 'abacus' is not available here"),
    ],
)
def test_bad_input(run: Run, tmp_path: Path, checkpoint: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder").mkdir()
    for name in ("a.png", "b.png", "folder/a.png"):
        write_picture(tmp_path / name, picture())
    (tmp_path / "damaged.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*")}
    outcome = run("upscale", *arguments, "--model", checkpoint)
    assert outcome.status == 2
    assert told in outcome.error
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.*")} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.png"],
        ["a.png", "--scale", "2", "--size", "8x8"],
        ["a.png", "--size", "8"],
        ["a.png", "--size", "0x8"],
        ["--scale", "2"],
    ],
)
def test_arguments_that_make_no_sense_end_with_the_usage(run: Run, arguments: list[str]) -> None:
    outcome = run("upscale", *arguments)
    assert outcome.status == 2
    assert "usage: lmf-sr upscale" in outcome.err
