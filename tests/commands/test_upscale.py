"""`lmf-sr upscale`: any factor, any size, files and folders; what a file holds is kept, and inputs are never overwritten."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
import torch
from command_line import Run
from PIL import Image

from lmf_sr.checkpoints import load
from lmf_sr.cmsr.calibration import Calibration
from lmf_sr.images import Picture, fill_invisible, imresize, read_picture, write_picture
from lmf_sr.jobs.settings import calibration_of
from lmf_sr.rendering.budget import PIXEL, STATE, Budget
from lmf_sr.upscaling import files
from lmf_sr.upscaling.rendering import enlarged_bands


def picture(height: int = 12, width: int = 16, **kept: object) -> Picture:
    return Picture(torch.rand(3, height, width, generator=torch.Generator().manual_seed(0)), **kept)  # type: ignore[arg-type]


SMALL = Budget(  # with which every picture is a large one
    tile=100 * 4096,
    features=64 * 4 * 8,
    states=32 * STATE,
    reused=32 * STATE,
    band=1000 * PIXEL,
    band_pixels=1000 * PIXEL,
)


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a picture's file be written as a large picture's is."""
    monkeypatch.setattr("lmf_sr.images.streaming.GATHERED", 0)
    monkeypatch.setattr("lmf_sr.images.streaming.TILE", 16)


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
    bands = list(enlarged_bands(model, None, lr, 31, 41, shares.append, SMALL))
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
    """The pixels are those of a picture that is held whole."""
    write_picture(tmp_path / "photo.png", picture(**kept))
    assert run("upscale", "photo.png", "--scale", "3.7", "-o", f"large{suffix}", "--model", checkpoint).status == 0
    lr, written = read_picture(tmp_path / "photo.png"), read_picture(tmp_path / f"large{suffix}")
    visible = lr.rgb if lr.alpha is None else fill_invisible(lr.rgb, lr.alpha)
    rgb = load(checkpoint).encode(visible).render(44, 59)[0]
    if lr.grey:
        rgb = rgb.mean(0, keepdim=True).expand(3, -1, -1)
    assert written.bit_depth == lr.bit_depth
    assert (written.rgb - rgb).abs().max() <= 0.5 / 255 + 1e-6
    if lr.alpha is not None:
        torch.testing.assert_close(written.alpha, imresize(lr.alpha, 44, 59).clamp(0, 1), atol=1e-4, rtol=0)


def test_a_size_of_memory(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    write_picture(tmp_path / "photo.png", picture())
    arguments = ("upscale", "photo.png", "--scale", "3.7", "--model", checkpoint)
    assert run(*arguments, "--output", "default.png").status == 0
    assert run(*arguments, "--memory", "700MB", "--output", "small.png").status == 0
    default, small = (read_picture(tmp_path / f"{name}.png").rgb for name in ("default", "small"))
    assert torch.equal(default, small)
    assert "'some' is no size of memory" in run(*arguments, "--memory", "some").error
    assert "give at least 600 MB" in run(*arguments, "--memory", "64MB").error


@pytest.mark.parametrize("aggregation", ["overall", "minimum"])
def test_cmsr(run: Run, tmp_path: Path, aggregation: str) -> None:
    """The calibration that ships with a model serves."""
    name, options = "edsr-tiny-lm-liif", ("--mse-threshold", "1e-3", "--aggregation", aggregation)
    write_picture(tmp_path / "photo.png", Picture(picture().rgb * torch.linspace(0, 1, 16) ** 4))
    assert run("upscale", "photo.png", "--scale", "6", "--model", name, *options).status == 0
    lr, written = (read_picture(tmp_path / f"photo{mark}.png").rgb for mark in ("", "_x6"))
    model = load(name)
    table = Calibration.load(calibration_of(name)).table(1e-3, aggregation).bound_to(model)
    full, expected = (model.encode(lr).render(72, 96, cmsr=cmsr)[0] for cmsr in (None, table))
    assert (written - expected).abs().max() <= 0.5 / 255 + 1e-6
    assert (written - full).abs().max() > 1 / 255


@pytest.mark.parametrize(
    ("model", "options", "error"),
    [
        (
            "edsr-tiny-lte",
            ["--mse-threshold", "1e-4"],
            "decoder 'lte' has no modulations, by which CMSR goes",
        ),
        ("edsr-tiny-lm-lte", ["--mse-threshold", "0"], "an MSE threshold of 0 allows no saving: it must be positive"),
        ("edsr-tiny-lm-lte", ["--table", "none.json"], "cannot read none.json"),
    ],
)
def test_cmsr_that_cannot_be(run: Run, tmp_path: Path, model: str, options: list[str], error: str) -> None:
    write_picture(tmp_path / "photo.png", picture())
    outcome = run("upscale", "photo.png", "--scale", "6", "--model", model, *options)
    assert outcome.status == 2
    assert error in outcome.error
    assert not (tmp_path / "photo_x6.png").exists()


KILLED = """
import sys
from lmf_sr.commands import upscale
from lmf_sr.images import streaming
from lmf_sr.rendering.budget import PIXEL, Budget

streaming.GATHERED, streaming.TILE = 0, 16
upscale.DEFAULT = Budget(band=9600 * PIXEL, band_pixels=9600 * PIXEL)

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
    for again in ([], ["--overwrite"]):  # what is written is no input of the next run
        assert run("upscale", "photos", "--scale", "2", "--format", "jpg", "--model", checkpoint, *again).status == 0
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
    read = files.read_picture
    monkeypatch.setattr(
        files, "read_picture", lambda path: Mock(side_effect=error)() if path.stem == "a" else read(path)
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
    monkeypatch.setattr(files, "read_picture", Mock(side_effect=RuntimeError("a defect")))
    with pytest.raises(RuntimeError, match="a defect"):
        run("upscale", "a.png", "--scale", "2", "--model", checkpoint)


def test_an_interruption_says_how_many_are_done(
    run: Run, tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        write_picture(tmp_path / name, picture())
    write = files.write_bands

    def interrupted_at_b(path: Path, *content: Any) -> None:
        if "b" in path.name:
            raise KeyboardInterrupt
        write(path, *content)

    monkeypatch.setattr(files, "write_bands", interrupted_at_b)
    outcome = run("upscale", "a.png", "b.png", "--scale", "2", "--model", checkpoint)
    assert outcome.status == 130
    assert "lmf-sr: interrupted: 1 of 2 files are done and kept" in outcome.err
    assert (tmp_path / "a_x2.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.png", "--scale", "0"], "scale 0 makes no picture larger: it must be a number of at least 1"),
        (["a.png", "--scale", "-3"], "scale -3 makes no picture larger"),
        (["a.png", "--scale", "0.9"], "scale 0.9 makes no picture larger"),
        (["a.png", "--scale", "nan"], "scale nan makes no picture larger"),
        (["a.png", "--size", "8x8"], "cannot upscale a.png: it is 16x12 pixels, larger than the 8x8 asked for"),
        (["missing.png", "--scale", "2"], "missing.png"),
        (["damaged.png", "--scale", "2"], "damaged.png"),
        (["empty", "--scale", "2"], "no images in the folder empty"),
        (["a.png", "--scale", "2", "-o", "a.png"], "a.png would overwrite an input: name another --output"),
        (["a.png", "b.png", "--scale", "2", "-o", "c.png"], "--output c.png is one file"),
        (["a.png", "b.png", "--scale", "2", "-o", "c.heic"], "--output c.heic is one file"),
        (["folder", "--scale", "2", "-o", "folder"], "would overwrite an input"),
        (["a.png", "--scale", "2", "-o", "a.bmp"], "cannot write a.bmp"),
        (["a.png", "--scale", "2", "-o", "a.heic"], "cannot write a.heic: its suffix must be one of .png"),
        (["a.png", "--size", "8"], "'8' is no size: it must be WxH, Wx or xH"),
        (["a.png", "--size", "0x8"], "'0x8' is no size"),
        (["a" * 300 + ".png", "--scale", "2"], "File name too long"),
        (["a.png", "--scale", "2", "-o", "b" * 300 + ".png"], "File name too long"),
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
        ["a.png", "--scale", "2", "--overwrite", "--skip-existing"],
        ["--scale", "2"],
    ],
)
def test_arguments_that_make_no_sense_end_with_the_usage(run: Run, arguments: list[str]) -> None:
    outcome = run("upscale", *arguments)
    assert outcome.status == 2
    assert "usage: lmf-sr upscale" in outcome.err


def test_it_says_where_it_wrote(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    for name in ("a.png", "b.jpg"):
        write_picture(tmp_path / name, picture())
    outcome = run("upscale", "a.png", "missing.png", "b.jpg", "--scale", "2", "-o", "large", "--model", checkpoint)
    assert outcome.out.splitlines() == ["written: large/a.png (32x24 pixels)", "written: large/b.jpg (32x24 pixels)"]


class TestExistingOutput:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        for name in ("photos/a.png", "photos/b.png", "photos_x2/a.png"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            write_picture(tmp_path / name, picture())

    def test_is_not_replaced_and_nothing_is_done(self, run: Run, tmp_path: Path, checkpoint: Path) -> None:
        before = (tmp_path / "photos_x2" / "a.png").read_bytes()
        outcome = run("upscale", "photos", "--scale", "2", "--model", checkpoint)
        assert outcome.status == 2
        assert "photos_x2/a.png is there already: --overwrite replaces, --skip-existing keeps what is" in outcome.error
        assert [file.name for file in (tmp_path / "photos_x2").iterdir()] == ["a.png"]
        assert (tmp_path / "photos_x2" / "a.png").read_bytes() == before

    def test_is_replaced_where_asked(self, run: Run, tmp_path: Path, checkpoint: Path) -> None:
        assert run("upscale", "photos", "--scale", "2", "--overwrite", "--model", checkpoint).status == 0
        assert read_picture(tmp_path / "photos_x2" / "a.png").rgb.shape == (3, 24, 32)

    def test_a_folder_that_was_stopped_goes_on(self, run: Run, tmp_path: Path, checkpoint: Path) -> None:
        before = (tmp_path / "photos_x2" / "a.png").read_bytes()
        for made in (["written: photos_x2/b.png (32x24 pixels)"], []):
            outcome = run("upscale", "photos", "--scale", "2", "--skip-existing", "--model", checkpoint)
            assert outcome.status == 0
            assert outcome.out.splitlines()[:-1] == made
            assert outcome.out.splitlines()[-1] == f"kept, because they were there already: {2 - len(made)} of 2"
        assert (tmp_path / "photos_x2" / "a.png").read_bytes() == before


def test_what_is_not_read_in_a_folder_is_named(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_picture(tmp_path / "photos" / "a.jfif", picture())
    (tmp_path / "photos" / "b.HEIC").touch()
    (tmp_path / "photos" / "c.png").symlink_to("nowhere.png")
    (tmp_path / "photos" / "d.txt").write_text("notes")
    outcome = run("upscale", "photos", "--scale", "2", "--model", checkpoint)
    assert outcome.status == 0
    assert outcome.out == "written: photos_x2/a.jfif (32x24 pixels)\n"
    named = "b.HEIC (HEIC, which is not read), c.png (a link to nothing), d.txt (no image)"
    assert f"lmf-sr: passed over in the folder photos: {named}\n" in outcome.err


class TestAnimation:
    """Three frames, shown for 100, 50 and 200 ms, twice."""

    DURATIONS = (100, 50, 200)

    def make(self, path: Path) -> None:
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=self.DURATIONS, loop=2, lossless=True)

    @pytest.mark.parametrize(
        ("before", "options", "after"),
        [(".gif", [], ".gif"), (".png", [], ".png"), (".webp", [], ".webp"), (".gif", ["--format", "webp"], ".webp")],
    )
    def test_all_frames_are_done(
        self, run: Run, tmp_path: Path, checkpoint: Path, before: str, options: list[str], after: str
    ) -> None:
        self.make(tmp_path / f"a{before}")
        outcome = run("upscale", f"a{before}", "--scale", "2", "--model", checkpoint, *options)
        assert (outcome.status, outcome.out) == (0, f"written: a_x2{after} (16x16 pixels)\n")
        with Image.open(tmp_path / f"a_x2{after}") as image:
            assert (image.size, image.n_frames, image.info["loop"]) == ((16, 16), 3, 2)  # type: ignore[attr-defined]
            for number, duration in enumerate(self.DURATIONS):
                image.seek(number)
                image.load()
                assert image.info["duration"] == duration
        assert "only the first" not in outcome.err

    @pytest.mark.parametrize("suffix", [".gif", ".webp"])
    def test_the_first_alone_goes_to_a_format_of_stills(
        self, run: Run, tmp_path: Path, checkpoint: Path, suffix: str
    ) -> None:
        self.make(tmp_path / f"a{suffix}")
        outcome = run("upscale", f"a{suffix}", "--scale", "2", "--format", "jpg", "--model", checkpoint)
        assert outcome.status == 0
        told = "3 frames; only the first is upscaled; write .gif, .png or .webp for all of them"
        assert f"lmf-sr: a{suffix} has {told}\n" in outcome.err

    def test_ctrl_c_keeps_the_frames_that_are_done(
        self, run: Run, tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.make(tmp_path / "a.gif")
        enlarge, done = files.enlarged, iter(range(2))

        def interrupted_at_the_third(*given: Any, **by_name: Any) -> Picture:
            if next(done, None) is None:
                raise KeyboardInterrupt
            return enlarge(*given, **by_name)

        monkeypatch.setattr(files, "enlarged", interrupted_at_the_third)
        outcome = run("upscale", "a.gif", "--scale", "2", "--model", checkpoint)
        assert outcome.status == 130
        assert "0 of 1 files are done and kept; the first 2 of 3 frames of a.gif are in a_x2.part.gif" in outcome.err
        assert not (tmp_path / "a_x2.gif").exists()
        with Image.open(tmp_path / "a_x2.part.gif") as image:
            assert (image.size, image.n_frames) == ((16, 16), 2)  # type: ignore[attr-defined]

    def test_a_gif_that_stands_still_becomes_png(self, run: Run, tmp_path: Path, checkpoint: Path) -> None:
        Image.new("RGB", (8, 8), "red").save(tmp_path / "a.gif")
        assert run("upscale", "a.gif", "--scale", "2", "--model", checkpoint).status == 0
        assert (tmp_path / "a_x2.png").is_file()


class TestClips:
    @pytest.fixture(autouse=True)
    def clip(self, tmp_path: Path) -> None:
        clips = pytest.importorskip("clips")  # which skips where PyAV is not installed
        clips.make_clip(tmp_path / "a.mp4", height=16, width=20)

    @pytest.mark.parametrize(
        ("options", "written"),
        [
            (["--scale", "2"], "a_x2.mp4 (40x32 pixels)"),
            (["--scale", "2", "--format", "mkv"], "a_x2.mkv (40x32 pixels)"),
            (["--scale", "2", "--format", "png"], "a_x2.mp4 (40x32 pixels)"),
            (["--size", "x33", "-o", "large.webm"], "large.webm (42x34 pixels)"),
        ],
    )
    def test_a_clip(self, run: Run, tmp_path: Path, checkpoint: Path, options: list[str], written: str) -> None:
        from clips import contents

        outcome = run("upscale", "a.mp4", *options, "--model", checkpoint)
        assert (outcome.status, outcome.out) == (0, f"written: {written}\n")
        after = contents(tmp_path / written.split()[0])
        assert after.times == pytest.approx(np.arange(6) * 0.04 + after.times[0], abs=1e-3)
        assert after.sound is not None

    def test_a_folder_of_pictures_and_clips(self, run: Run, tmp_path: Path, checkpoint: Path) -> None:
        (tmp_path / "mixed").mkdir()
        (tmp_path / "a.mp4").rename(tmp_path / "mixed" / "a.mp4")
        write_picture(tmp_path / "mixed" / "b.png", picture())
        (tmp_path / "mixed" / "c.txt").write_text("notes")
        outcome = run("upscale", "mixed", "--scale", "2", "--format", "jpg", "--model", checkpoint)
        assert outcome.status == 0
        written = ["written: mixed_x2/a.mp4 (40x32 pixels)", "written: mixed_x2/b.jpg (32x24 pixels)"]
        assert outcome.out.splitlines() == written
        assert "passed over in the folder mixed: c.txt (no image)" in outcome.err

    def test_an_animation_becomes_a_clip(self, run: Run, tmp_path: Path, checkpoint: Path) -> None:
        from clips import contents

        TestAnimation().make(tmp_path / "b.gif")
        assert run("upscale", "b.gif", "--scale", "2", "--format", "mp4", "--model", checkpoint).status == 0
        assert contents(tmp_path / "b_x2.mp4").times == pytest.approx([0, 0.1, 0.15])

    def test_a_process_that_is_stopped_says_where_the_clip_is(self, tmp_path: Path, checkpoint: Path) -> None:
        from clips import contents, make_clip

        make_clip(tmp_path / "long.mp4", height=16, width=20, times=[512 * i for i in range(3000)], sound=None)
        command = [sys.executable, "-m", "lmf_sr.commands.main", "upscale", "long.mp4", "--scale", "2", "--model"]
        with subprocess.Popen(
            [*command, str(checkpoint)], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            while not any(file.stat().st_size for file in tmp_path.glob(".long_x2.mp4.*.partial")):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            told = process.stderr.read()
            assert process.wait() == 130
        assert "0 of 1 files are done and kept; the first " in told
        assert "s of long.mp4 are in long_x2.part.mp4" in told
        times = contents(tmp_path / "long_x2.part.mp4").times
        assert times == pytest.approx(np.arange(len(times)) * 0.04)
        assert not (tmp_path / "long_x2.mp4").exists()
        assert not list(tmp_path.glob(".*.partial"))

    def test_bad_clips_do_not_stop_the_others(self, run: Run, tmp_path: Path, checkpoint: Path) -> None:
        (tmp_path / "b.mkv").write_bytes((tmp_path / "a.mp4").read_bytes()[:200])
        outcome = run("upscale", "b.mkv", "a.mp4", "none.mov", "--scale", "2", "--model", checkpoint)
        assert outcome.status == 2
        assert outcome.out == "written: a_x2.mp4 (40x32 pixels)\n"
        assert "lmf-sr: cannot read b.mkv: the file is no clip of a known format" in outcome.err
        assert "lmf-sr: no clip none.mov: the file does not exist" in outcome.err


def test_clips_need_an_extra(tmp_path: Path, checkpoint: Path) -> None:
    """Clips need an extra, and pictures do not."""
    (tmp_path / "a.mp4").touch()
    write_picture(tmp_path / "b.png", picture())
    code = "import sys; sys.modules['av'] = None; from lmf_sr.commands.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["upscale", "a.mp4", "b.png", "--scale", "2", "--model", str(checkpoint)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "lmf-sr: the clip a.mp4 needs av, which is not installed: pip install 'lmf-sr[video]'\n" in done.stderr
    assert done.stdout == "written: b_x2.png (32x24 pixels)\n"


class TestPages:
    """A TIFF has a page red, a page lime twice as large, and a page blue; and a thumbnail, which is no page."""

    @pytest.fixture(autouse=True)
    def pages(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
            for colour, side in (((255, 0, 0), 8), ((0, 255, 0), 16), ((0, 0, 255), 8)):
                page = np.broadcast_to(np.array(colour, np.uint8), (side, side, 3))
                tiff.write(page, photometric="rgb", description=f"{side} pixels")
            tiff.write(np.zeros((4, 4, 3), np.uint8), photometric="rgb", subfiletype=1)

    def test_all_stay_in_a_tiff(self, run: Run, tmp_path: Path, checkpoint: Path) -> None:
        outcome = run("upscale", "a.tif", "--scale", "2", "--model", checkpoint)
        assert (outcome.status, outcome.out) == (0, "written: a_x2.tif (16x16 pixels)\n")
        model = load(checkpoint)
        with tifffile.TiffFile(tmp_path / "a_x2.tif") as tiff:
            assert [page.description for page in tiff.pages] == ["8 pixels", "16 pixels", "8 pixels"]
            for number, page in enumerate(tiff.pages):
                lr = read_picture(tmp_path / "a.tif", number).rgb
                expected = model.encode(lr).render(*(2 * side for side in lr.shape[1:]))[0]
                assert (torch.from_numpy(page.asarray()).permute(2, 0, 1) / 255 - expected).abs().max() < 0.51 / 255

    def test_the_first_goes_to_another_format(self, run: Run, tmp_path: Path, checkpoint: Path) -> None:
        outcome = run("upscale", "a.tif", "--scale", "2", "--format", "png", "--model", checkpoint)
        assert outcome.status == 0
        assert "lmf-sr: a.tif has 3 pages; only the first is upscaled; write .tif for all of them\n" in outcome.err
        assert read_picture(tmp_path / "a_x2.png").rgb.shape == (3, 16, 16)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".tif"])
def test_invisible_colour_does_not_bleed(run: Run, tmp_path: Path, suffix: str) -> None:
    """A white disc on invisible black, laid over white, is white."""
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    disc = (rows - 15.5) ** 2 + (columns - 15.5) ** 2 < 120
    write_picture(tmp_path / "disc.png", Picture(disc.float().expand(3, -1, -1), alpha=disc[None].float()))
    assert run("upscale", "disc.png", "--scale", "2.5", "-o", f"large{suffix}").status == 0
    large = read_picture(tmp_path / f"large{suffix}")
    alpha = torch.ones(1, *large.rgb.shape[1:]) if large.alpha is None else large.alpha
    assert (large.rgb * alpha + 1 - alpha).min() > 0.98
    if large.alpha is not None:
        assert (large.alpha[0, :4] == 0).all()
        assert (large.alpha[0, 36:44, 36:44] == 1).all()


def test_a_linked_folder_s_output_goes_beside_the_link(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "far" / "archive").mkdir(parents=True)
    write_picture(tmp_path / "far" / "archive" / "a.png", picture())
    (tmp_path / "photos").symlink_to(tmp_path / "far" / "archive")
    assert run("upscale", "photos", "--scale", "2", "--model", checkpoint).status == 0
    assert (tmp_path / "photos_x2" / "a.png").is_file()


def test_a_folder_that_cannot_be_read(
    run: Run, tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.setattr(Path, "iterdir", Mock(side_effect=PermissionError(13, "Permission denied")))
    outcome = run("upscale", "photos", "--scale", "2", "--model", checkpoint)
    assert outcome.status == 2
    assert "cannot read the folder photos: Permission denied" in outcome.error


def test_names_of_240_characters(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    name = "n" * 236
    write_picture(tmp_path / f"{name}.png", picture())
    outcome = run("upscale", f"{name}.png", "--scale", "2", "--model", checkpoint)
    assert outcome.status == 0
    assert read_picture(tmp_path / f"{name}_x2.png").rgb.shape == (3, 24, 32)


def test_a_clash_of_names_does_not_stop_the_others(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png", "photos/a.png"):
        write_picture(tmp_path / name, picture())
    outcome = run("upscale", "a.png", "photos", "b.png", "--scale", "2", "-o", "out", "--model", checkpoint)
    assert outcome.status == 2
    assert "lmf-sr: a.png and photos/a.png would both become out/a.png: only the first is done" in outcome.err
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
