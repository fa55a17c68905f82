"""Metadata: the information beside the pixels that a larger copy of a picture should carry too.

    file --from_pillow, from_tiff--> Metadata --for_jpeg, png_chunks, tiff_tags, ...--> file

Everything that resizing makes untrue is left out: orientation (pictures are set upright), pixel dimensions, thumbnails, and
the structure of the file. Resolution stays as it was, because it is for the user to say how many pixels a printer puts on an
inch. Damaged metadata are dropped, because they are no reason to refuse a picture.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

import tifffile
from PIL import ExifTags, Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

Chunk = tuple[bytes, bytes]

DAMAGED = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error, zlib.error)
SEGMENT = 65533  # bytes of payload in a JPEG marker
SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
DESCRIPTIVE = (  # TIFF tags about the picture; all others are about the file, or of programs that this one does not know
    ExifTags.Base.DocumentName,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Copyright,
    *SUB_DIRECTORIES,
)
UNTRUE = (ExifTags.Base.Orientation, ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength)
UNTRUE_DETAILS = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
UNTRUE_XMP = "tiff:(Orientation|ImageWidth|ImageLength)|exif:Pixel[XY]Dimension"
ARRAY_DESCRIPTIONS = ('{"shape":', "ImageJ=", "<?xml", "<OME")  # tell the sizes of arrays, which resizing makes untrue
XMP_KEYWORD = "XML:com.adobe.xmp"
SRGB_GAMMA, SRGB_CICP = 45455, b"\1\x0d\0\1"


@dataclass(frozen=True)
class Metadata:
    """The metadata of a picture.

    Args:
        icc_profile: the colour profile of the pixels.
        exif: an EXIF block with its `Exif` mark, as JPEG has it.
        xmp: an XMP packet.
        dpi: pixels per inch, horizontally and vertically.
        text: the entries of a PNG's text, by keyword; a comment of a JPEG or GIF has the keyword `Comment`.
        colour: PNG's chunks on colour (gAMA, cHRM, sRGB, cICP), where no profile takes their place.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    colour: tuple[Chunk, ...] = ()

    def unusual_colour(self) -> str | None:
        """The encoding of the colours, in words, if PNG's chunks give another than sRGB's; else None."""
        chunks = dict(self.colour)
        if b"cICP" in chunks:
            return None if chunks[b"cICP"] == SRGB_CICP else f"cICP {tuple(chunks[b'cICP'])}"
        if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
            return None
        gamma = int.from_bytes(chunks[b"gAMA"], "big")
        return None if abs(gamma - SRGB_GAMMA) < 500 else f"gAMA {gamma / 1e5:g}"


def from_pillow(image: Image.Image, content: bytes) -> Metadata:
    """The metadata that Pillow finds in the file `content`, after decoding it."""
    info, text = image.info, dict(getattr(image, "text", {}))
    xmp = text.pop(XMP_KEYWORD, None) or info.get("xmp")
    if isinstance(comment := info.get("comment"), bytes):
        text.setdefault("Comment", comment.decode("utf-8", "replace").rstrip("\0"))
    exif = None
    with suppress(*DAMAGED):
        exif = _kept_exif(image.getexif())
    return Metadata(
        icc_profile=info.get("icc_profile"),
        exif=exif,
        xmp=_kept_xmp(xmp.encode() if isinstance(xmp, str) else xmp),
        dpi=_resolution_told(image),
        text=tuple((keyword, str(value)) for keyword, value in text.items() if not keyword.startswith("Raw profile")),
        colour=tuple(_colour_chunks(content)),
    )


def _resolution_told(image: Image.Image) -> tuple[float, float] | None:
    """The resolution by the format's own means, else by EXIF.

    For a JPEG without a resolution Pillow says 72 dpi if there is an EXIF block, so its word counts only with JFIF's unit.
    """
    with suppress(*DAMAGED):
        if "dpi" in image.info and (image.format not in ("JPEG", "MPO") or image.info.get("jfif_unit") in (1, 2)):
            return _resolution(*map(float, image.info["dpi"]))
        exif = image.getexif()
        inches = {2: 1.0, 3: 2.54}.get(exif.get(ExifTags.Base.ResolutionUnit, 2), 0.0)
        across, down = exif.get(ExifTags.Base.XResolution, 0), exif.get(ExifTags.Base.YResolution, 0)
        return _resolution(inches * float(across), inches * float(down))
    return None


def from_tiff(content: bytes, page: tifffile.TiffPage) -> Metadata:
    """The metadata of a page that tifffile has found in the TIFF `content`."""
    exif = dpi = xmp = None
    with suppress(*DAMAGED):
        found = Image.Exif()
        found.endian, found.bigtiff = page.parent.byteorder, page.parent.is_bigtiff
        found.load_from_fp(BytesIO(content), page.offset)
        for tag in [tag for tag in found if tag not in DESCRIPTIVE]:
            del found[tag]
        if page.description.startswith(ARRAY_DESCRIPTIONS):
            found.pop(ExifTags.Base.ImageDescription, None)
        elif page.description:  # the first, where a file has several
            found[ExifTags.Base.ImageDescription] = page.description
        exif = _kept_exif(found)
    with suppress(*DAMAGED):
        unit = {2: 1.0, 3: 2.54}.get(int(page.tags.valueof("ResolutionUnit", default=2)), 0.0)
        across, down = (page.tags.valueof(f"{axis}Resolution") for axis in "XY")
        dpi = _resolution(unit * across[0] / across[1], unit * down[0] / down[1])
    with suppress(*DAMAGED):
        xmp = _kept_xmp(bytes(page.tags.valueof(700)))
    profile = page.tags.valueof(34675)
    return Metadata(bytes(profile) if profile else None, exif, xmp, dpi)


def _kept_exif(exif: Image.Exif) -> bytes | None:
    """The block without what became untrue. Thumbnails lie in a directory of their own, which Pillow does not write."""
    for tag in SUB_DIRECTORIES:
        if tag in exif:
            exif[tag] = dict(exif.get_ifd(tag))
    for untrue in UNTRUE:
        exif.pop(untrue, None)
    for untrue in UNTRUE_DETAILS:
        exif.get(ExifTags.IFD.Exif, {}).pop(untrue, None)
    return _written(exif) if len(exif) else None


def _written(exif: Image.Exif) -> bytes:
    """The block's bytes. Pillow reads text as Latin-1 but writes it as ASCII, and leaves bytes as they are."""
    for key, value in exif.items():
        if isinstance(value, str) and not value.isascii() and TiffTags.lookup(key).type == TiffTags.ASCII:
            exif[key] = value.encode("latin-1", "replace")
    return exif.tobytes()


def _kept_xmp(xmp: bytes | None) -> bytes | None:
    """The packet without what became untrue, be it attributes or elements."""
    if not xmp:
        return None
    attribute, element = rf"\s(?:{UNTRUE_XMP})\s*=\s*(\"[^\"]*\"|'[^']*')", rf"<({UNTRUE_XMP})\s*>[^<]*</\1\s*>"
    return re.sub(attribute.encode(), b"", re.sub(element.encode(), b"", xmp)).rstrip(b"\0")


def _resolution(across: float, down: float) -> tuple[float, float] | None:
    """None where it is not told: TIFF's and JPEG's way to say so are resolutions of 0 and 1."""
    return (across, down) if min(across, down) > 1 else None


def _colour_chunks(content: bytes) -> Iterator[Chunk]:
    """A PNG's chunks on colour, which stand before its pixels."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return
    chunks, start = {}, 8
    while (name := content[start + 4 : start + 8]) not in (b"IDAT", b""):
        length = int.from_bytes(content[start : start + 4], "big")
        chunks[name] = content[start + 8 : start + 8 + length]
        start += 12 + length
    for name in (b"cICP",) if b"iCCP" in chunks else (b"cICP", b"gAMA", b"cHRM", b"sRGB"):
        if name in chunks:
            yield name, chunks[name]


def png_chunks(metadata: Metadata) -> Iterator[Chunk]:
    """Yields the metadata as chunks of a PNG, in an order that the format allows."""
    yield from metadata.colour
    if metadata.icc_profile:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc_profile)
    if metadata.dpi:
        yield b"pHYs", struct.pack(">2IB", *(round(dpi / 0.0254) for dpi in metadata.dpi), 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif.removeprefix(b"Exif\0\0")
    if metadata.xmp:
        yield b"iTXt", XMP_KEYWORD.encode() + b"\0\0\0\0\0" + metadata.xmp
    for keyword, value in metadata.text:
        name = keyword.encode("latin-1", "replace")
        try:
            yield b"tEXt", name + b"\0" + value.encode("latin-1")
        except UnicodeEncodeError:
            yield b"iTXt", name + b"\0\0\0\0\0" + value.encode()


def pillow_options(metadata: Metadata, file_format: str) -> dict[str, Any]:
    """All metadata that the format has room for, as arguments of Pillow's `save` for JPEG and WebP."""
    options: dict[str, Any] = {"icc_profile": metadata.icc_profile}
    exif = metadata.exif
    if metadata.dpi and file_format == "JPEG":
        options["dpi"] = tuple(map(round, metadata.dpi))
    elif metadata.dpi:
        exif = _with_resolution(exif, metadata.dpi)
    room = SEGMENT if file_format == "JPEG" else 2**31
    if exif and len(exif) <= room:
        options["exif"] = exif
    if metadata.xmp and len(metadata.xmp) <= room - 29:
        options["xmp"] = metadata.xmp
    comment = dict(metadata.text).get("Comment", "").encode()
    if file_format == "JPEG" and 0 < len(comment) <= room:
        options["comment"] = comment
    return options


def _with_resolution(exif: bytes | None, dpi: tuple[float, float]) -> bytes:
    """The EXIF block with a resolution."""
    block = Image.Exif()
    block.load(exif or b"")
    block[ExifTags.Base.XResolution], block[ExifTags.Base.YResolution] = dpi
    block[ExifTags.Base.ResolutionUnit] = 2
    return _written(block)


def tiff_options(metadata: Metadata) -> dict[str, Any]:
    """All metadata as arguments of tifffile's `write`, except EXIF's inner directories, which `write_tiff_directories`
    adds."""
    tags: list[tuple[int, str, int, Any, bool]] = []
    if metadata.xmp:
        tags.append((700, "B", len(metadata.xmp), metadata.xmp, True))
    for tag, value in _exif(metadata).items():
        if tag in DESCRIPTIVE and isinstance(value, str):
            text = value.encode("latin-1", "replace") + b"\0"
            tags.append((tag, "s", len(text), text, True))
    resolution = {"resolution": metadata.dpi, "resolutionunit": 2} if metadata.dpi else {}
    return {"iccprofile": metadata.icc_profile, "extratags": tags, **resolution}


def write_tiff_directories(file: BinaryIO, metadata: Metadata, number: int = 0) -> None:
    """Appends EXIF's inner directories of a page to a little-endian TIFF that has been written with `tiff_options`.

    tifffile has no way to write them. The page's directory must point to them, so a longer copy of it takes its place.
    """
    directories = {tag: value for tag, value in _exif(metadata).items() if tag in SUB_DIRECTORIES}
    if not directories:
        return
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        pages = [tiff.pages[i].aspage().offset for i in range(max(number - 1, 0), number + 1)]
        form = BIG_TIFF if tiff.is_bigtiff else CLASSIC_TIFF
    added = {tag: _append_directory(file, form, tag, entries) for tag, entries in directories.items()}
    entries, following = _raw_directory(file, form, pages[-1])
    entries += [struct.pack(f"<2H2{form.offset}", tag, form.pointer_type, 1, place) for tag, place in added.items()]
    entries.sort(key=lambda entry: int.from_bytes(entry[:2], "little"))
    moved = _end(file)
    file.write(struct.pack(f"<{form.number}", len(entries)) + b"".join(entries) + following)
    if number == 0:
        file.seek(form.first)
    else:
        before, _ = _raw_directory(file, form, pages[0])
        file.seek(pages[0] + struct.calcsize(form.number) + sum(map(len, before)))
    file.write(struct.pack(f"<{form.offset}", moved))


class TiffForm(NamedTuple):
    """The form of a TIFF's directories: the types of numbers and offsets, and the place of the first directory's offset."""

    number: str
    offset: str
    pointer_type: int
    first: int
    header: bytes


CLASSIC_TIFF = TiffForm("H", "I", 4, 4, b"II\x2a\0\0\0\0\0")
BIG_TIFF = TiffForm("Q", "Q", 16, 8, b"II\x2b\0\x08\0\0\0" + bytes(8))


def _append_directory(file: BinaryIO, form: TiffForm, tag: int, entries: dict[int, Any]) -> int:
    """Writes an inner directory and returns its place."""
    directory = ImageFileDirectory_v2(form.header, group=tag)
    for key, value in entries.items():
        if not isinstance(value, dict):  # a directory within, of interest to cameras only
            directory[key] = value
    place = _end(file)
    file.write(directory.tobytes(place))
    return place


def _raw_directory(file: BinaryIO, form: TiffForm, place: int) -> tuple[list[bytes], bytes]:
    """The entries of a directory, and the place of the next."""
    file.seek(place)
    (count,) = struct.unpack(f"<{form.number}", file.read(struct.calcsize(form.number)))
    entries = [file.read(struct.calcsize(f"<2H2{form.offset}")) for _ in range(count)]
    return entries, file.read(struct.calcsize(form.offset))


def _end(file: BinaryIO) -> int:
    """Goes to the end of the file, at an even place, as TIFF demands, and returns it."""
    end = file.seek(0, 2)
    return end + file.write(bytes(end % 2))


def _exif(metadata: Metadata) -> dict[int, Any]:
    """The tags of the EXIF block; its inner directories are mappings."""
    exif = Image.Exif()
    with suppress(*DAMAGED):
        exif.load(metadata.exif or b"")
        return {tag: dict(exif.get_ifd(tag)) if tag in SUB_DIRECTORIES else value for tag, value in exif.items()}
    return {}
