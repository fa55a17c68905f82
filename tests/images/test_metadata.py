"""A copy in any format that has room keeps the metadata of its original, as other libraries read it."""

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from lmf_sr.errors import InputWarning
from lmf_sr.images import Metadata, Picture, read_picture, streaming, write_picture
from lmf_sr.images.streaming import BandedPicture, write_bands, write_pages

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:tiff="http://ns.adobe.com/tiff/1.0/" dc:source="camera" tiff:Orientation="6"><tiff:ImageWidth>8</tiff:ImageWidth>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
ALL = (".png", ".jpg", ".webp", ".tif")


def exif(**details: Any) -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Model] = "Camera"
    block[ExifTags.Base.Artist] = "Jürgen".encode()
    block[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09",
        ExifTags.Base.ISOSpeedRatings: 200,
    }
    block[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (50.0, 30.0, 15.0)}
    return block.tobytes()


WHOLE = Metadata(SRGB, exif(), b"<x:xmpmeta/>", (300, 150), (("Comment", "a castle"),))


def write(path: Path, metadata: Metadata, way: str = "at once", bit_depth: int = 8) -> None:
    picture = Picture(torch.rand(3, 20, 30), bit_depth=bit_depth, metadata=metadata)
    if way == "at once":
        write_picture(path, picture)
    elif way == "in bands":
        write_bands(path, 20, 30, iter([picture]))
    else:
        write_pages(path, [BandedPicture(20, 30, [picture])] * 2, large=way == "in large pages")


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("way", ["at once", "in bands", "in pages", "in large pages"])
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_all_of_it_in_every_format(
    tmp_path: Path, suffix: str, way: str, bit_depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata as Pillow reads it."""
    if way.endswith("pages") and suffix != ".tif":
        pytest.skip("only TIFF has pages")
    monkeypatch.setattr(streaming, "GATHERED", 0)
    path = tmp_path / f"a{suffix}"
    write(path, WHOLE, way, bit_depth)
    image = Image.open(path)
    image.load()
    assert image.info["icc_profile"] == SRGB
    assert image.info["xmp"].rstrip(b"\0") == b"<x:xmpmeta/>"
    kept = image.getexif()
    assert kept[ExifTags.Base.Model] == "Camera"
    assert kept[ExifTags.Base.Artist].encode("latin-1").decode() == "Jürgen"
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2024:05:06 07:08:09"
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 200
    assert kept.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (50.0, 30.0, 15.0)
    dpi = image.info.get("dpi") or (kept[ExifTags.Base.XResolution], kept[ExifTags.Base.YResolution])
    assert [float(side) for side in dpi] == pytest.approx([300, 150], abs=0.02)
    if suffix == ".png":
        assert image.text["Comment"] == "a castle"
    if suffix == ".jpg":
        assert image.info["comment"] == b"a castle"


@pytest.mark.parametrize("source", ALL)
@pytest.mark.parametrize("target", ALL)
def test_from_every_format_to_every_format(tmp_path: Path, source: str, target: str) -> None:
    write(tmp_path / f"a{source}", WHOLE)
    picture = read_picture(tmp_path / f"a{source}")
    write_picture(tmp_path / f"b{target}", picture)
    found = read_picture(tmp_path / f"b{target}").metadata
    assert found.icc_profile == SRGB
    assert found.xmp == b"<x:xmpmeta/>"
    assert found.exif is not None
    block = Image.Exif()
    block.load(found.exif)
    assert block[ExifTags.Base.Model] == "Camera"
    assert block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 200
    assert block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert found.dpi == pytest.approx((300, 150), abs=0.02)
    if {source, target} <= {".png", ".jpg"}:
        assert dict(found.text)["Comment"] == "a castle"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_what_resizing_makes_untrue_is_left_out(tmp_path: Path, suffix: str) -> None:
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = 6
    block[ExifTags.Base.ImageWidth] = 8
    block[ExifTags.IFD.Exif] = {ExifTags.Base.ExifImageWidth: 8, ExifTags.Base.ISOSpeedRatings: 200}
    options = {"tiffinfo": {700: XMP}} if suffix == ".tif" else {"xmp": XMP}
    if suffix == ".png":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": chunks}
    Image.new("RGB", (8, 4)).save(tmp_path / f"a{suffix}", exif=block, **options)
    metadata = read_picture(tmp_path / f"a{suffix}").metadata
    assert metadata.xmp is not None
    assert b'dc:source="camera"' in metadata.xmp
    assert b"Orientation" not in metadata.xmp
    assert b"ImageWidth" not in metadata.xmp
    write_picture(tmp_path / f"b{suffix}", Picture(torch.rand(3, 16, 8), metadata=metadata))
    assert read_picture(tmp_path / f"b{suffix}").rgb.shape == (3, 16, 8)
    kept = Image.open(tmp_path / f"b{suffix}").getexif()
    assert kept.get(ExifTags.Base.Orientation, 1) == 1
    assert ExifTags.Base.ExifImageWidth not in kept.get_ifd(ExifTags.IFD.Exif)


def test_a_cmyk_jpeg_keeps_its_exif(tmp_path: Path, shared: Path) -> None:
    source = shared / "cases" / "cmyk_icc_exif.jpg"
    write_picture(tmp_path / "a.jpg", read_picture(source))
    told, kept = Image.open(source).getexif(), Image.open(tmp_path / "a.jpg").getexif()
    inner = ExifTags.IFD.Exif
    assert kept.get_ifd(inner) == told.get_ifd(inner)
    for tag in set(told) - {inner, ExifTags.Base.Orientation}:
        assert kept[tag] == told[tag]


@pytest.mark.parametrize(("unit", "expected"), [(1, None), (2, (300, 300)), (3, (762, 762))])
def test_resolution_of_a_tiff(tmp_path: Path, unit: int, expected: tuple[float, float] | None) -> None:
    """The unit is none, inches or centimetres."""
    samples = np.zeros((4, 4, 3), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", resolution=(300, 300), resolutionunit=unit)
    assert read_picture(tmp_path / "a.tif").metadata.dpi == expected


def test_a_jpeg_that_tells_no_resolution_has_none(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg", exif=exif())
    assert read_picture(tmp_path / "a.jpg").metadata.dpi is None


def test_text_of_any_alphabet(tmp_path: Path) -> None:
    text = (("Title", "Schloß"), ("parameters", "東京, steps: 20"), ("Comment", "\n".join(map(str, range(1000)))))
    for bit_depth in (8, 16):
        write(tmp_path / "a.png", Metadata(text=text), bit_depth=bit_depth)
        assert Image.open(tmp_path / "a.png").text == dict(text)
        assert read_picture(tmp_path / "a.png").metadata.text == text


def test_blocks_too_large_for_a_jpeg_are_left_out(tmp_path: Path) -> None:
    block = Image.Exif()
    block[ExifTags.Base.Model] = "Camera" * 20000
    text = (("Comment", "y" * 70000),)
    write(tmp_path / "a.jpg", Metadata(exif=block.tobytes(), xmp=b"x" * 70000, dpi=(300, 300), text=text))
    assert read_picture(tmp_path / "a.jpg").metadata == Metadata(dpi=(300, 300))


def png(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    Image.new("RGB", (4, 4), (100, 100, 100)).save(path)
    content = path.read_bytes()
    added = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    path.write_bytes(content[:33] + added + content[33:])
    return path


LINEAR = (b"gAMA", struct.pack(">I", 100000))
USUAL = (b"gAMA", struct.pack(">I", 45455))
HDR = (b"cICP", bytes([9, 16, 0, 1]))


@pytest.mark.parametrize(
    ("chunks", "named"),
    [([LINEAR], "gAMA 1"), ([HDR], r"cICP \(9, 16, 0, 1\)"), ([USUAL], None), ([LINEAR, (b"sRGB", b"\0")], None)],
)
def test_colours_encoded_unusually(tmp_path: Path, chunks: list[tuple[bytes, bytes]], named: str | None) -> None:
    """A PNG keeps the chunks, with which the pixels look as before; of other formats it is said that they cannot."""
    picture = read_picture(png(tmp_path / "a.png", *chunks))
    for bit_depth in (8, 16):
        picture.bit_depth = bit_depth
        with warnings.catch_warnings(action="error"):
            write_picture(tmp_path / "b.png", picture)
        assert read_picture(tmp_path / "b.png").metadata.colour == tuple(chunks)
        assert torch.equal(read_picture(tmp_path / "b.png").rgb, picture.rgb)
    for suffix in (".jpg", ".tif", ".webp"):
        if named is None:
            with warnings.catch_warnings(action="error"):
                write_picture(tmp_path / f"b{suffix}", picture)
        else:
            with pytest.warns(
                InputWarning, match=rf"b\{suffix} will look different, because its source declares {named}"
            ):
                write_picture(tmp_path / f"b{suffix}", picture)


def test_a_profile_takes_the_place_of_gamma(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", icc_profile=SRGB)
    content = (tmp_path / "a.png").read_bytes()
    added = struct.pack(">I", 4) + b"".join(LINEAR) + struct.pack(">I", zlib.crc32(b"".join(LINEAR)))
    (tmp_path / "a.png").write_bytes(content[:33] + added + content[33:])
    metadata = read_picture(tmp_path / "a.png").metadata
    assert (metadata.icc_profile, metadata.colour) == (SRGB, ())
