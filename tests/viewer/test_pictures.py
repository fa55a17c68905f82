"""What the pages are sent: the project's own pixels and states, of pictures whole or in parts; and what is refused."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lmf_sr.checkpoints import load
from lmf_sr.cmsr.measures import Measure, contrast
from lmf_sr.errors import InputError
from lmf_sr.images import imresize, read_picture
from lmf_sr.rendering.tiling import Window
from lmf_sr.viewer import pictures as module
from lmf_sr.viewer.pictures import Place, ShownModel, Studio

PLACE = Place(top=7.25, left=11.5, scale=5.5, height=90, width=120)


def bytes_of(rgb: torch.Tensor) -> np.ndarray:
    return (rgb * 255).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("number", range(3))
def test_a_view_is_what_the_model_renders(studio: Studio, pictures: Path, number: int) -> None:
    image = studio.models[number].model.encode(read_picture(pictures / "small.png").rgb)
    region = (7.25 / 48, 11.5 / 64, 90 / 5.5 / 48, 120 / 5.5 / 64)
    assert (studio.view("0", str(number), PLACE) == bytes_of(image.render(90, 120, region)[0])).all()


def test_a_view_by_cmsr(studio: Studio, pictures: Path) -> None:
    shown = studio.models[0]
    place = Place(0, 0, 8, 384, 512)
    by_cmsr = studio.view("0", "0", place, threshold=1e-3)
    image = shown.model.encode(read_picture(pictures / "small.png").rgb)
    assert (by_cmsr == bytes_of(image.render(384, 512, cmsr=shown.tables[1e-3])[0])).all()
    assert (by_cmsr != studio.view("0", "0", place)).any()
    assert set(studio.timed("0", 0, place, 1e-3)) == {"full_ms", "cmsr_ms"}


def test_a_large_picture_is_encoded_where_one_looks(
    models: list[ShownModel], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = Studio(models[:2]), Studio(models[:2])
    for studio in (whole, parts):
        studio.add(pictures / "large.png")
    place, window = Place(60.5, 70.25, 4.5, 64, 80), Window(60, 90, 64, 110)
    expected = [whole.view("0", number, place) for number in "01"], [whole.state("0", n, window, 3.5) for n in (0, 1)]
    monkeypatch.setattr(module, "WHOLE", 64 * 64)
    encoded = []
    for shown in models[:2]:
        encode = shown.model.encode
        monkeypatch.setattr(
            shown.model, "encode", lambda lr, encode=encode: (encoded.append(lr.shape[1:].numel()), encode(lr))[1]
        )
    for number in (0, 1):
        difference = parts.view("0", str(number), place).astype(int) - expected[0][number]
        assert abs(difference).max() <= 1  # of tiles encoded otherwise, rounded otherwise
        about, content = parts.state("0", number, window, 3.5)
        expected_about = expected[1][number][0]
        assert about == expected_about | {"cell": pytest.approx(expected_about["cell"])}
        halves, whole_halves = (np.frombuffer(c, np.float16).astype(float) for c in (content, expected[1][number][1]))
        assert np.allclose(halves, whole_halves, atol=5e-3)
    assert encoded
    assert max(encoded) < 144 * 192


def test_a_state_has_the_intensities_that_the_tables_go_by(models: list[ShownModel], pictures: Path) -> None:
    shown, window = models[0], Window(10, 20, 12, 30)
    by_contrast = replace(shown.tables[2e-5].table, measure=Measure("contrast")).bound_to(shown.model)
    studio = Studio([shown._replace(tables={2e-5: by_contrast})])
    studio.add(pictures / "small.png")
    found = np.frombuffer(studio.state("0", 0, window, 8)[1], np.float16)[-10 * 18 :].astype(np.float32)
    lr = read_picture(pictures / "small.png").rgb[None] * 2 - 1
    expected = contrast(lr)[0, 10:20, 12:30].flatten()
    assert np.allclose(found, expected.numpy(), atol=1e-2)


def test_features_held_are_bounded(studio: Studio, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENCODED", 2 * 48 * 64)
    for _ in range(3):
        name = studio.add(pictures / "small.png")
        for number in "01":
            studio.view(name, number, PLACE)
    assert len(studio._encoded) <= 2


def test_of_the_pictures_that_were_sent_the_first_goes(
    studio: Studio, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (pictures / "small.png").read_bytes()
    monkeypatch.setattr(module, "MOST_SENT", 3 * len(content))
    names = [studio.add(Path("sent.png"), content) for _ in range(4)]
    assert [picture["id"] for picture in studio.about()["pictures"]] == ["0", *names[1:]]
    with pytest.raises(InputError, match=f"there is no picture '{names[0]}'"):
        studio.view(names[0], "nearest", PLACE)


def test_files_are_read_when_one_looks_at_them_and_again_where_there_was_no_room(
    studio: Studio, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture")
    read: list[str] = []
    reading = module.read_rgb8
    monkeypatch.setattr(module, "read_rgb8", lambda path, *rest: (read.append(path.name), reading(path, *rest))[1])
    monkeypatch.setattr(module, "DECODED", 48 * 64 + 144 * 192)
    small, large, broken = (studio.add_later(p) for p in (pictures / "small.png", pictures / "large.png", damaged))
    assert [picture["name"] for picture in studio.about()["pictures"]][1:] == ["small.png", "large.png", "damaged.png"]
    assert read == []
    for name in (small, large, large, "0"):
        studio.view(name, "nearest", PLACE)
    assert read == ["small.png", "large.png", "small.png", "large.png"]  # the last two are "0", and its reference
    with pytest.raises(InputError, match=r"cannot read .*damaged\.png"):
        studio.about_picture(broken)
    with pytest.raises(InputError, match=r"no image missing\.png: the file does not exist"):
        studio.add_later(Path("missing.png"))


def test_a_model_that_encodes_the_whole_takes_no_picture_for_which_there_is_no_room(
    models: list[ShownModel], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(models)
    studio.add(pictures / "large.png")
    monkeypatch.setattr(module, "ENCODED", 10_000)
    monkeypatch.setattr(models[0].model.encoder, "receptive_halo", None)
    with pytest.raises(InputError, match="encodes pictures whole, and 192x144 pixels are more than the 10000"):
        studio.view("0", "0", PLACE)


def test_bicubic_is_matlab_s_up_to_rounding(studio: Studio, pictures: Path) -> None:
    small = read_picture(pictures / "small.png").rgb
    expected = bytes_of(imresize(small, 240, 320).clamp(0, 1)).astype(int)
    found = studio.view("0", "bicubic", Place(10, 20, 5, 190, 220))
    assert abs(found - expected[50:, 100:]).max() <= 1


def test_nearest_and_reference(studio: Studio, pictures: Path) -> None:
    small, large = (np.array(Image.open(pictures / f"{name}.png")) for name in ("small", "large"))
    found = studio.view("0", "nearest", Place(2, 3, 4, 40, 48))
    assert (found == small[2:12, 3:15].repeat(4, 0).repeat(4, 1)).all()
    assert (studio.view("0", "reference", Place(2, 3, 3, 30, 36)) == large[6:36, 9:45]).all()


def test_saving_the_whole_and_a_view(studio: Studio, pictures: Path) -> None:
    whole = np.array(Image.open(studio.save("0", "0", None, 144, 192, None)))
    image = load("edsr-tiny-lm-liif").encode(read_picture(pictures / "small.png").rgb)
    assert abs(whole.astype(int) - bytes_of(image.render(144, 192)[0])).max() <= 1  # bands are rounded otherwise
    view = np.array(Image.open(studio.save("0", "0", PLACE, 180, 240, None)))
    shown = studio.view("0", "0", Place(7.25, 11.5, 11, 180, 240))
    assert abs(view.astype(int) - shown.astype(int)).max() <= 1  # rendered in other windows, hence rounded otherwise
    assert np.array(Image.open(studio.save("0", "nearest", None, 96, 128, None))).shape == (96, 128, 3)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda s: s.view("0", "0", PLACE._replace(height=2**13, width=2**13)), "a view of 8192x8192 pixels"),
        (lambda s: s.view("0", "0", PLACE._replace(width=0)), "a view of 0x90 pixels"),
        (
            lambda s: s.view("0", "nearest", PLACE._replace(top=1e6)),
            "a view from 1e.06 to .* the picture has 48 pixels there",
        ),
        (lambda s: s.view("0", "0", PLACE._replace(scale=1 / 64)), "a view from 7.25 to 5767.25 is not rendered"),
        (lambda s: s.view("0", "7", PLACE), "there is no model 7: 3 are on show"),
        (lambda s: s.view("0", "../../etc/passwd", PLACE), "there is no layer"),
        (lambda s: s.view("0", "2", PLACE, 2e-5), "edsr-tiny-lte has no Scale2Mod table"),
        (lambda s: s.state("0", 2, Window(0, 4, 0, 4), 4.0), "edsr-tiny-lte is rendered by the server alone"),
        (lambda s: s.save("0", "0", None, 2**15, 2**15, None), "32768x32768 pixels cannot be saved from here"),
        (lambda s: s.add(Path("x.png"), b"no picture"), "cannot read x.png"),
    ],
)
def test_what_is_refused(studio: Studio, ask: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ask(studio)  # type: ignore[operator]


def test_a_picture_of_too_many_pixels_is_not_decoded(
    studio: Studio, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_PICTURE", 1000)
    monkeypatch.setattr(module, "read_rgb8", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"small\.png has more than the 1000 pixels that are shown"):
        studio.add(pictures / "small.png")


def test_a_bomb_is_not_decoded(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PNG that claims 3.6 thousand million pixels, and is long enough to be taken at its word."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 2**20)) + b"\0" * 2**25
    monkeypatch.setattr(module, "read_rgb8", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"bomb\.png has more than the"):
        studio.add(Path("bomb.png"), bomb)
