"""From samples to an image file, in the format of its suffix; 16-bit PNG is spelt out here, as Pillow cannot write it."""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.images.decoding import Samples

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}
PNG_LEVEL = 4  # of deflate: half the time of the usual 6 for 4 % more bytes on photographs
CHUNK = 2**30  # bytes; a PNG chunk ends at 2^31 - 1


def encode(
    path: Path, samples: Samples, quality: int, icc_profile: bytes | None = None, exif: bytes | None = None
) -> None:
    """Write samples (16-bit ones: only PNG and TIFF) in the format of the suffix.

    InputError where the format cannot hold the picture or the file cannot be written; an existing file then stays.
    """
    file_format = FORMATS[path.suffix.lower()]
    try:
        with replacing(path) as file:
            if file_format == "TIFF":
                _encode_tiff(file, samples, icc_profile)
            elif samples.dtype == np.uint16:
                _encode_png16(file, samples, icc_profile, exif)
            else:
                image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
                image.save(
                    file, file_format, icc_profile=icc_profile, exif=exif or b"", **_options(file_format, quality)
                )
    except InputError:
        raise
    except ValueError as error:  # Pillow: the format has no room for so many pixels
        raise InputError(f"cannot write {path}: {error}") from error


def _options(file_format: str, quality: int) -> dict[str, int]:
    if file_format == "PNG":
        return {"compress_level": PNG_LEVEL}
    return {"quality": quality, "subsampling": 0} if file_format == "JPEG" else {"quality": quality}


def _encode_tiff(file: BinaryIO, samples: Samples, icc_profile: bytes | None) -> None:
    channels = samples.shape[2]
    tifffile.imwrite(
        file,
        samples[..., 0] if channels == 1 else samples,
        photometric="minisblack" if channels < 3 else "rgb",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        predictor=True,
        iccprofile=icc_profile,
        metadata=None,
    )


def _encode_png16(file: BinaryIO, samples: Samples, icc_profile: bytes | None, exif: bytes | None) -> None:
    """PNG (W3C Recommendation, third edition), colour type by the channels, every row by the filter Sub.

    Sub stores each byte as its difference from the same byte of the pixel to the left, which deflates better.
    """
    height, width, channels = samples.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 1  # the filter's number
    filtered[:, 1:] = rows
    filtered[:, 1 + 2 * channels :] -= rows[:, : -2 * channels]
    chunks = [(b"IHDR", struct.pack(">2I5B", width, height, 16, colour_type, 0, 0, 0))]
    if icc_profile:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile)))
    if exif:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    pixels = zlib.compress(filtered.tobytes(), PNG_LEVEL)
    chunks += [(b"IDAT", pixels[start : start + CHUNK]) for start in range(0, len(pixels), CHUNK)]
    chunks.append((b"IEND", b""))
    file.write(b"\x89PNG\r\n\x1a\n")
    for name, content in chunks:
        file.write(struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content)))
