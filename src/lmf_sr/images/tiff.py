"""TIFF (revision 6.0, 1992, and its supplements) in full depth: a page's samples, interpreted by the file's tags.

    segments --decompress--> bytes --tifffile--> (H, W, samples) as stored --PhotometricInterpretation, ExtraSamples,
                                                                             Orientation--> grey or RGB, with alpha, upright

tifffile puts strips, tiles and planes together. Here each segment is checked to be complete, because tifffile would take
zeros for a missing part. Pillow reads palettes, YCbCr, JPEG, fax and less than 8 bits. A kind that neither reads is
refused by name.
"""

import logging
import math
import struct
import zlib
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple

import numpy as np
import tifffile
from jaxtyping import Shaped
from PIL import Image

from lmf_sr.errors import InputError
from lmf_sr.images.bombs import check_claim
from lmf_sr.images.colour import cmyk_to_rgb
from lmf_sr.images.metadata import Metadata, from_tiff

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # InputErrors tell the faults of a file

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, CMYK: 4}
PREMULTIPLIED, STRAIGHT = 1, 2  # of ExtraSamples; 0 is no alpha
UNSIGNED, FLOATING = 1, 3  # of SampleFormat
UNCOMPRESSED, LZW, PACKBITS, ZSTD = 1, 5, 32773, 50000
NO_PREDICTOR, DIFFERENCES, FLOAT_DIFFERENCES = 1, 2, 3
DEFLATE = (8, 32946)
DECOMPRESSED = (UNCOMPRESSED, LZW, PACKBITS, ZSTD, *DEFLATE)

UPRIGHT = {  # from the stored samples to the picture, by the tag Orientation
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


class Page(NamedTuple):
    """A picture of a TIFF. `notes` are sentences that say what could not be kept."""

    samples: Shaped[np.ndarray, "H W C"]
    metadata: Metadata
    notes: list[str]


def is_tiff(content: bytes) -> bool:
    return content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def page_numbers(content: bytes) -> list[int]:
    """The numbers of the pictures among the file's directories, without thumbnails and smaller versions."""
    with tifffile.TiffFile(BytesIO(content)) as tiff:
        numbers = [number for number, page in enumerate(tiff.pages) if not page.aspage().subfiletype & 1]
        if not numbers or "DNGVersion" in tiff.pages.first.tags or content[8:10] == b"CR":
            raise InputError("it is a camera's raw picture, of which only thumbnails can be read; convert it to RGB")
        return numbers


def read_page(content: bytes, number: int) -> Page | None:
    """The page of this number; None if it is of a kind that Pillow reads. Raises InputError if neither reads it."""
    with tifffile.TiffFile(BytesIO(content)) as tiff:
        page = tiff.pages[number].aspage()
        bits, photometric = page.bitspersample, int(page.photometric)
        if page.sampleformat == UNSIGNED and (bits < 8 or (bits == 12 and page.samplesperpixel == 1)):
            return None
        readable = photometric in COLOURS and page.compression in DECOMPRESSED
        if not readable and bits == 8:
            return None
        _check(page, photometric)
        check_claim(page.imagewidth, page.imagelength, content)
        stored = _stored(content, page)
        return _interpreted(page, photometric, stored, from_tiff(content, page))


def _check(page: tifffile.TiffPage, photometric: int) -> None:
    """Raises InputError, with the reason, for a page whose samples cannot be understood."""
    kind = f"{page.bitspersample} bits"
    if page.sampleformat not in (UNSIGNED, FLOATING) or (page.sampleformat == UNSIGNED and page.bitspersample > 16):
        kind = str(page.dtype or f"of format {page.sampleformat} with {kind}")
        raise InputError(f"its samples are {kind}; convert them to 8 or 16 bits")
    if page.dtype is None or (page.sampleformat == UNSIGNED and page.bitspersample not in (8, 16)):
        raise InputError(f"its samples have {kind}; convert them to 8 or 16 bits")
    if photometric not in COLOURS:
        name = getattr(page.photometric, "name", photometric)
        raise InputError(f"its colours are {name} in {kind}, which is not read; convert it to RGB or grey")
    if page.compression not in DECOMPRESSED:
        name = getattr(page.compression, "name", page.compression)
        raise InputError(f"its compression {name} is not read in {kind}; write it without, or with Deflate or LZW")
    if page.samplesperpixel < COLOURS[photometric]:
        raise InputError(
            f"it has {page.samplesperpixel} samples a pixel, too few for its colours; the tags are damaged"
        )


def _stored(content: bytes, page: tifffile.TiffPage) -> Shaped[np.ndarray, "H W S"]:
    """The samples as they are stored, whole pixels together."""
    if len(page.dataoffsets) < math.prod(page.chunked):
        raise InputError("it is truncated: some of its strips or tiles are missing")
    segments = [
        _decompressed(content[offset : offset + count], count, page, number)
        for number, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True))
    ]
    plain = page.compression == UNCOMPRESSED and page.predictor == NO_PREDICTOR
    decompressed = page if plain else _uncompressed_copy(content, page, segments)
    samples = decompressed.asarray()
    height, width, depth = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.planarconfig == 2 and depth > 1:
        return np.moveaxis(samples.reshape(depth, height, width), 0, -1)
    return samples.reshape(height, width, depth)


def _decompressed(segment: bytes, count: int, page: tifffile.TiffPage, number: int) -> bytes:
    """The bytes of a strip or tile. Raises InputError if they are fewer than it must have."""
    rows = page.tilelength if page.is_tiled else page.rowsperstrip
    columns = page.tilewidth if page.is_tiled else page.imagewidth
    if not page.is_tiled:
        strips = -(-page.imagelength // rows)
        rows = min(rows, page.imagelength - number % strips * rows)
    samples = 1 if page.planarconfig == 2 else page.samplesperpixel
    size = rows * columns * samples * page.bitspersample // 8
    if len(segment) >= count and page.compression in DEFLATE:
        segment = zlib.decompressobj().decompress(segment, size)
    elif len(segment) >= count and page.compression != UNCOMPRESSED:
        segment = _by_libtiff(segment, size, int(page.compression))
    if len(segment) < size:
        raise InputError("it is truncated: some of its strips or tiles are incomplete")
    if page.compression in (UNCOMPRESSED, PACKBITS):  # for which there is no predictor, whatever its tag says
        return segment
    return _undifferenced(segment, page, columns, samples)


def _undifferenced(segment: bytes, page: tifffile.TiffPage, columns: int, samples: int) -> bytes:
    """Undoes the predictor, which stores each pixel as its difference from the pixel to the left.

    The predictor for floats moreover stores the most significant bytes of a row first, then the next ones, and so on, and
    takes the differences between these bytes (Adobe, TIFF Technical Note 3).
    """
    predictor, size = int(page.predictor), page.bitspersample // 8
    if predictor == NO_PREDICTOR:
        return segment
    if predictor == DIFFERENCES:
        values = np.frombuffer(segment, f"{page.parent.byteorder}u{size}").reshape(-1, columns, samples)
        return values.cumsum(axis=1, dtype=f"u{size}").astype(values.dtype).tobytes()
    if predictor == FLOAT_DIFFERENCES:
        differences = np.frombuffer(segment, np.uint8).reshape(-1, columns * size, samples)
        significance = differences.cumsum(axis=1, dtype=np.uint8).reshape(-1, size, columns * samples)
        values = np.ascontiguousarray(significance.swapaxes(1, 2)).view(f">f{size}")
        return values.astype(f"{page.parent.byteorder}f{size}").tobytes()
    raise InputError(f"its predictor {predictor} is not known; write it without compression")


def _by_libtiff(segment: bytes, size: int, compression: int) -> bytes:
    """Decompresses a segment by Pillow's libtiff, as the only strip of a grey picture one pixel high."""
    entries = {256: size, 257: 1, 258: 8, 259: compression, 262: 1, 273: 122, 277: 1, 278: 1, 279: len(segment)}
    directory = b"".join(struct.pack("<2H2I", tag, 4, 1, value) for tag, value in entries.items())
    picture = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + directory + bytes(4) + segment
    return Image.open(BytesIO(picture)).tobytes()


def _uncompressed_copy(content: bytes, page: tifffile.TiffPage, segments: list[bytes]) -> tifffile.TiffPage:
    """The page in a copy of the file that has the decompressed segments appended."""
    file = BytesIO(content)
    offsets = []
    for segment in segments:
        offsets.append(file.seek(0, 2))
        file.write(segment)
    place = "Tile" if page.is_tiled else "Strip"
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        tags = tiff.pages[page.index].aspage().tags
        for name, values in (("Offsets", offsets), ("ByteCounts", list(map(len, segments)))):
            tags[f"{place}{name}"].overwrite(values, dtype="I")
        tags["Compression"].overwrite(UNCOMPRESSED)
        if "Predictor" in tags:
            tags["Predictor"].overwrite(NO_PREDICTOR)
    file.seek(0)
    return tifffile.TiffFile(file).pages[page.index].aspage()


def _interpreted(
    page: tifffile.TiffPage, photometric: int, stored: Shaped[np.ndarray, "H W S"], metadata: Metadata
) -> Page:
    """Grey or RGB, with alpha where there is one, in 8 or 16 bits and upright."""
    notes: list[str] = []
    samples = _from_float(stored) if page.sampleformat == FLOATING else stored.astype(stored.dtype.newbyteorder("="))
    count = COLOURS[photometric]
    colour, alpha = samples[..., :count], _alpha(page, samples, count)
    if photometric == WHITE_IS_ZERO:
        colour = np.iinfo(colour.dtype).max - colour
    if alpha is not None and PREMULTIPLIED in page.extrasamples:
        colour = _straight(colour, alpha)
    if photometric == CMYK:
        if metadata.icc_profile and colour.dtype == np.uint16:
            notes.append("its colour profile for CMYK is applied in 8 of its 16 bits")
        colour, metadata = cmyk_to_rgb(colour, metadata.icc_profile), replace(metadata, icc_profile=None)
    samples = colour if alpha is None else np.concatenate([colour, alpha.astype(colour.dtype)], axis=-1)
    return Page(np.ascontiguousarray(UPRIGHT.get(page.tags.valueof(274), lambda a: a)(samples)), metadata, notes)


def _alpha(page: tifffile.TiffPage, samples: np.ndarray, colours: int) -> Shaped[np.ndarray, "H W 1"] | None:
    """The first extra sample that is alpha. Where the tag is missing, a single extra sample beside grey or RGB is taken."""
    kinds = [int(kind) for kind in page.extrasamples]
    if not kinds and samples.shape[2] == colours + 1 and colours < 4:
        kinds = [STRAIGHT]
    for number, kind in enumerate(kinds[: samples.shape[2] - colours]):
        if kind in (PREMULTIPLIED, STRAIGHT):
            return samples[..., colours + number, None]
    return None


def _straight(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour divided by alpha. Premultiplied colour is at most equal to alpha."""
    most = np.iinfo(colour.dtype).max
    divided = colour.astype(np.float64) * most / np.maximum(alpha, 1)
    return np.where(alpha > 0, np.minimum(divided, most).round(), 0).astype(colour.dtype)


def _from_float(stored: np.ndarray) -> Shaped[np.ndarray, "H W S"]:
    """Floats in [0, 1] in 16 bits. Raises InputError for others, because the file does not tell which of them is white."""
    least, most = stored.min(), stored.max()
    if not (least >= 0 and most <= 1):
        raise InputError(
            f"its samples are {stored.dtype.name} from {least:g} to {most:g}; scale them to 0 to 1, or convert them to 8 "
            "or 16 bits"
        )
    return (stored.astype(np.float64) * 65535).round().astype(np.uint16)
