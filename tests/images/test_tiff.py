"""TIFFs of every kind of samples are read as the specification (TIFF 6.0, 1992) says they look, in full depth."""

import zlib
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from lmf_sr.errors import InputError
from lmf_sr.images import read_picture

HEIGHT, WIDTH = 21, 37


def noise(*shape: int, dtype: Any = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def write(path: Path, samples: np.ndarray, planar: str = "contig", **options: Any) -> None:
    """Samples (H, W, C) as a TIFF in whole pixels or in separate planes."""
    stored = samples[..., 0] if samples.shape[2] == 1 else samples
    if planar == "separate" and samples.shape[2] > 1:
        stored = np.moveaxis(samples, -1, 0)
    tifffile.imwrite(path, np.ascontiguousarray(stored), planarconfig=planar, metadata=None, **options)


def levels(picture: torch.Tensor, dtype: Any) -> np.ndarray:
    """(C, H, W) in [0, 1] as (H, W, C) levels."""
    return (picture.permute(1, 2, 0).numpy().astype(np.float64) * np.iinfo(dtype).max).round()


ORIENTED = {  # what is stored of an upright picture: "the 0th row represents the ... of the image, the 0th column the ..."
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
INKS = "separated"
KINDS = {  # photometric interpretation, extra samples
    "white is zero": ("miniswhite", []),
    "grey": ("minisblack", []),
    "grey and alpha": ("minisblack", ["unassalpha"]),
    "white is zero, and alpha": ("miniswhite", ["unassalpha"]),
    "RGB": ("rgb", []),
    "RGB and alpha": ("rgb", ["unassalpha"]),
    "RGB and something": ("rgb", ["unspecified"]),
    "RGB, something and alpha": ("rgb", ["unspecified", "unassalpha"]),
    "RGB, premultiplied": ("rgb", ["assocalpha"]),
    "grey, premultiplied": ("minisblack", ["assocalpha"]),
    "CMYK": (INKS, []),
    "CMYK and alpha": (INKS, ["unassalpha"]),
    "CMYK and something": (INKS, ["unspecified"]),
}
COLOURS = {"miniswhite": 1, "minisblack": 1, "rgb": 3, INKS: 4}


def as_specified(samples: np.ndarray, photometric: str, extra: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Colour and alpha as levels."""
    most, count = float(np.iinfo(samples.dtype).max), COLOURS[photometric]
    colour = samples[..., :count].astype(np.float64)
    alpha = next((samples[..., count + i, None] for i, kind in enumerate(extra) if kind != "unspecified"), None)
    if photometric == "miniswhite":
        colour = most - colour
    if "assocalpha" in extra:
        colour = np.where(alpha > 0, np.minimum(most * colour / np.maximum(alpha, 1), most), 0)
    if photometric == INKS:
        colour = (most - colour[..., :3]) * (most - colour[..., 3:]) / most
    return colour, alpha


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_photometric_interpretation_and_extra_samples(tmp_path: Path, kind: str, planar: str, dtype: Any) -> None:
    photometric, extra = KINDS[kind]
    samples = noise(HEIGHT, WIDTH, COLOURS[photometric] + len(extra), dtype=dtype)
    for orientation, byteorder in product((1, 6), "<>"):
        tag = [(274, "H", 1, orientation, True)]
        stored = ORIENTED[orientation](samples)
        options = {"byteorder": byteorder, "extratags": tag, "rowsperstrip": 10}
        write(tmp_path / "a.tif", stored, planar, photometric=photometric, extrasamples=extra, **options)
        picture = read_picture(tmp_path / "a.tif")
        colour, alpha = as_specified(samples, photometric, extra)
        assert picture.bit_depth == 8 * np.dtype(dtype).itemsize
        assert picture.grey == (colour.shape[2] == 1)
        assert np.abs(levels(picture.rgb, dtype) - colour).max() <= 1
        assert (picture.alpha is None) == (alpha is None)
        if picture.alpha is not None:
            assert np.array_equal(levels(picture.alpha, dtype), alpha)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_orientation(tmp_path: Path, orientation: int, planar: str) -> None:
    samples = noise(HEIGHT, WIDTH, 3)
    stored = ORIENTED[orientation](samples)
    write(tmp_path / "a.tif", stored, planar, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    picture = read_picture(tmp_path / "a.tif")
    assert np.array_equal(levels(picture.rgb, np.uint16), samples)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "zstd"])
@pytest.mark.parametrize("predictor", [1, 2])
def test_what_other_programs_compress(tmp_path: Path, compression: str | None, predictor: int) -> None:
    """libtiff writes, by Pillow."""
    samples = noise(300, WIDTH, dtype=np.uint16)
    Image.fromarray(samples).save(tmp_path / "a.tif", compression=compression, tiffinfo={317: predictor})
    assert np.array_equal(levels(read_picture(tmp_path / "a.tif").rgb[:1], np.uint16)[..., 0], samples)
    rgb = noise(300, WIDTH, 3, dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.tif", compression=compression, tiffinfo={317: predictor})
    assert np.array_equal(levels(read_picture(tmp_path / "a.tif").rgb, np.uint8), rgb)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_floats_in_0_to_1(tmp_path: Path, dtype: str, byteorder: str, compression: str | None, planar: str) -> None:
    values = np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).astype(dtype)
    write(tmp_path / "a.tif", values, planar, photometric="rgb", byteorder=byteorder, compression=compression)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.bit_depth == 16
    assert np.abs(levels(picture.rgb, np.uint16) - values.astype(np.float64) * 65535).max() <= 0.51


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_the_predictor_for_floats(tmp_path: Path, byteorder: str) -> None:
    """A row holds all first (most significant) bytes, then all second ones and so on, each less the third to the left."""
    values = np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    options = {"photometric": "rgb", "byteorder": byteorder, "compression": "zlib", "predictor": True}
    write(tmp_path / "a.tif", np.zeros((HEIGHT, WIDTH, 3), np.int32), **options)
    rows = []
    for row in values.astype(">f4").view(np.uint8).reshape(HEIGHT, -1, 4):
        ordered = row.T.reshape(-1).astype(np.int64)
        ordered[3:] -= ordered[:-3].copy()
        rows.append((ordered % 256).astype(np.uint8).tobytes())
    compressed = zlib.compress(b"".join(rows))
    offset = (tmp_path / "a.tif").stat().st_size
    with (tmp_path / "a.tif").open("ab") as file:
        file.write(compressed)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tags = tiff.pages[0].tags
        changed = {"Predictor": 3, "SampleFormat": (3, 3, 3)}
        for name, value in {**changed, "StripOffsets": offset, "StripByteCounts": len(compressed)}.items():
            tags[name].overwrite(value)
    read = levels(read_picture(tmp_path / "a.tif").rgb, np.uint16)
    assert np.abs(read - values.astype(np.float64) * 65535).max() <= 0.51


@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_strips_and_tiles(tmp_path: Path, tile: tuple[int, int] | None, bigtiff: bool, planar: str) -> None:
    samples = noise(50, 70, 3)
    options = {"tile": tile, "bigtiff": bigtiff, "compression": "zlib", "predictor": True}
    write(tmp_path / "a.tif", samples, planar, photometric="rgb", **options)
    assert np.array_equal(levels(read_picture(tmp_path / "a.tif").rgb, np.uint16), samples)


def test_twelve_bits_are_all_of_the_range(tmp_path: Path) -> None:
    """Baseline grey of 12 bits, two samples in three bytes: black, white and the middle."""
    packed = bytes.fromhex("000fff 800fff".replace(" ", ""))
    write(tmp_path / "a.tif", np.zeros((1, 4, 1), np.uint16), photometric="minisblack")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        tags = tiff.pages[0].tags
        bits, counts, offset = tags["BitsPerSample"], tags["StripByteCounts"], tiff.pages[0].dataoffsets[0]
        content[bits.valueoffset : bits.valueoffset + 2] = (12).to_bytes(2, "little")
        content[counts.valueoffset] = len(packed)
    content[offset : offset + len(packed)] = packed
    (tmp_path / "a.tif").write_bytes(content)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.bit_depth == 16
    torch.testing.assert_close(picture.rgb[0, 0], torch.tensor([0, 1, 2048 / 4095, 1]), atol=1e-4, rtol=0)


def test_inks_by_a_profile_say_that_they_have_eight_bits(tmp_path: Path, shared: Path) -> None:
    profile = Image.open(shared / "cases" / "cmyk_icc_exif.jpg").info["icc_profile"]
    inks = noise(8, 8, 4)
    write(tmp_path / "a.tif", inks, photometric=INKS, iccprofile=profile)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.notes == ("its colour profile for CMYK is applied in 8 of its 16 bits",)
    assert picture.metadata.icc_profile is None
    eight = Image.fromarray((inks // 257).astype(np.uint8), "CMYK")
    expected = ImageCms.profileToProfile(eight, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert np.abs(levels(picture.rgb, np.uint8) - np.asarray(expected)).max() <= 4


@pytest.mark.parametrize(
    "samples", [np.zeros((4, 4), np.int16), np.zeros((4, 4), np.uint32), np.zeros((4, 4), np.int8)]
)
def test_samples_that_are_refused_by_name(tmp_path: Path, samples: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="minisblack")
    with pytest.raises(InputError, match=rf"a\.tif: its samples are {samples.dtype}; convert them to 8 or 16 bits"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize(("photometric", "name"), [(8, "CIELAB"), (6, "YCBCR"), (34892, "LINEAR_RAW"), (32803, "CFA")])
def test_colours_that_are_refused_by_name(tmp_path: Path, photometric: int, name: str) -> None:
    planes = 1 if photometric == 32803 else 3
    write(tmp_path / "a.tif", noise(4, 4, planes), photometric="minisblack" if planes == 1 else "rgb")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages[0].tags["PhotometricInterpretation"].overwrite(photometric)
    with pytest.raises(InputError, match=rf"a\.tif: its colours are {name} in 16 bits, which is not read"):
        read_picture(tmp_path / "a.tif")


def test_a_compression_that_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", noise(4, 4, 3), photometric="rgb", compression="lzma")
    with pytest.raises(InputError, match=r"a\.tif: its compression LZMA is not read in 16 bits; write it without"):
        read_picture(tmp_path / "a.tif")


def test_camera_raw_is_not_taken_for_its_thumbnail(tmp_path: Path) -> None:
    write(tmp_path / "a.dng", noise(4, 4, 3, dtype=np.uint8), photometric="rgb", subfiletype=1)
    with pytest.raises(InputError, match="it is a camera's raw picture"):
        read_picture(tmp_path / "a.dng")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_a_strip_or_tile_cut_short_is_damage(tmp_path: Path, options: dict[str, Any]) -> None:
    """tifffile itself would take zeros for what is missing."""
    write(
        tmp_path / "a.tif",
        noise(64, 64, 3),
        photometric="rgb",
        rowsperstrip=None if "tile" in options else 16,
        **options,
    )
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        counts = next(
            tiff.pages[0].tags[name] for name in ("TileByteCounts", "StripByteCounts") if name in tiff.pages[0].tags
        )
        counts.overwrite([count // 2 for count in counts.value])
    with pytest.raises(InputError, match=r"a\.tif: "):
        read_picture(tmp_path / "a.tif")
