"""Pictures written in bands are those written at once; and a band is all that is ever held."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ImageCms

from lmf_sr.errors import InputError
from lmf_sr.images import Metadata, Picture, check_size, read_picture, streaming, write_bands, write_picture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS: list[dict[str, Any]] = [
    {},
    {"bit_depth": 16, "metadata": Metadata(icc_profile=SRGB)},
    {"grey": True},
    {"grey": True, "bit_depth": 16},
    {"alpha": True},
    {"alpha": True, "bit_depth": 16, "grey": True},
]


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is a large one."""
    monkeypatch.setattr(streaming, "GATHERED", 0)
    monkeypatch.setattr(streaming, "TILE", 16)


def bands_of(height: int, width: int, counts: list[int], **kept: Any) -> Iterator[Picture]:
    """Random pixels, by rows as counted; the last count goes on to the end."""
    generator = torch.Generator().manual_seed(height)
    alpha = kept.pop("alpha", False)
    pixels = torch.rand(4, height, width, generator=generator)
    if kept.get("grey"):
        pixels[1:3] = pixels[0]
    top = 0
    for count in counts + [counts[-1]] * height:
        band = pixels[:, top : top + count]
        if band.shape[1]:
            yield Picture(band[:3], band[3:] if alpha else None, **kept)
        top += count


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".webp"])
@pytest.mark.parametrize("kept", KINDS)
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 50), width=st.integers(1, 50), counts=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_bands_are_written_as_the_whole(
    tmp_path: Path, suffix: str, kept: dict[str, Any], height: int, width: int, counts: list[int]
) -> None:
    banded, whole = tmp_path / f"banded{suffix}", tmp_path / f"whole{suffix}"
    write_bands(banded, height, width, bands_of(height, width, counts, **kept))
    write_picture(whole, next(bands_of(height, width, [height], **kept)))
    found, expected = read_picture(banded), read_picture(whole)
    assert (found.bit_depth, found.grey, found.metadata.icc_profile) == (
        expected.bit_depth,
        expected.grey,
        expected.metadata.icc_profile,
    )
    assert torch.equal(found.rgb, expected.rgb)
    assert (found.alpha is None) == (expected.alpha is None)
    if found.alpha is not None:
        assert torch.equal(found.alpha, expected.alpha)


def test_tiff_is_big_tiled_and_compressed(tmp_path: Path) -> None:
    write_bands(tmp_path / "a.tif", 40, 70, bands_of(40, 70, [7], metadata=Metadata(icc_profile=SRGB)))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        (page,) = tiff.pages
        assert tiff.is_bigtiff
        assert (page.tilelength, page.tilewidth) == (16, 16)
        assert page.compression.name == "ADOBE_DEFLATE"
        assert page.iccprofile == SRGB


def test_exif_and_profile_of_a_png(tmp_path: Path) -> None:
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\1\0\0\0\0\0\0\0"
    write_bands(tmp_path / "a.png", 9, 9, bands_of(9, 9, [4], metadata=Metadata(exif=exif, icc_profile=SRGB)))
    written = (tmp_path / "a.png").read_bytes()
    assert written.index(b"iCCP") < written.index(b"eXIf") < written.index(b"IDAT")
    assert read_picture(tmp_path / "a.png").metadata.icc_profile == SRGB


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_few_bands_are_taken_ahead_of_what_is_written(tmp_path: Path, suffix: str) -> None:
    """The bands of a large picture never add up: by its middle, half of it is in the file."""
    sizes = []

    def watched() -> Iterator[Picture]:
        for number, band in enumerate(bands_of(4096, 512, [16])):
            if number in (8, 128):
                (partial,) = tmp_path.glob(".*.partial")
                sizes.append(partial.stat().st_size)
            yield band

    write_bands(tmp_path / f"a{suffix}", 4096, 512, watched())
    whole = (tmp_path / f"a{suffix}").stat().st_size
    assert sizes[1] > whole / 3


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_an_interruption_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    def interrupted() -> Iterator[Picture]:
        yield next(bands_of(40, 40, [20]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bands(tmp_path / f"a{suffix}", 40, 40, interrupted())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        ("a.jpg", (10, 65536), r"a\.jpg with 65536x10 pixels: JPEG ends at 65535 a side; write \.tif instead"),
        ("a.jpeg", (65536, 10), r"JPEG ends at 65535 a side"),
        ("a.webp", (10, 16384), r"WEBP ends at 16383 a side; write \.tif instead"),
        ("a.bmp", (10, 10), r"cannot write .*a\.bmp: its suffix must be one of \.png"),
    ],
)
def test_formats_without_room_are_refused_before_the_first_band(
    tmp_path: Path, name: str, size: tuple[int, int], told: str
) -> None:
    bands = iter([])
    with pytest.raises(InputError, match=told):
        write_bands(tmp_path / name, *size, bands)
    with pytest.raises(InputError, match=told):
        check_size(tmp_path / name, *size)


@pytest.mark.parametrize(
    ("name", "size"),
    [("a.jpg", (65535, 65535)), ("a.webp", (16383, 1)), ("a.tif", (10**6, 10**6)), ("a.PNG", (1, 10**6))],
)
def test_formats_with_room(name: str, size: tuple[int, int]) -> None:
    check_size(Path(name), *size)
