"""From samples to an image file, in the format of its suffix."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.images.decoding import Samples
from lmf_sr.images.png import LEVEL, write_png

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}


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
                write_png(file, samples.shape, 16, [samples], icc_profile, exif)
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
        return {"compress_level": LEVEL}
    return {"quality": quality, "subsampling": 0} if file_format == "JPEG" else {"quality": quality}


def _encode_tiff(file: BinaryIO, samples: Samples, icc_profile: bytes | None) -> None:
    channels = samples.shape[2]
    tifffile.imwrite(file, samples[..., 0] if channels == 1 else samples, **tiff_options(channels, icc_profile))


def tiff_options(channels: int, icc_profile: bytes | None) -> dict[str, Any]:
    """What tifffile is to be told of samples with so many channels."""
    return {
        "photometric": "minisblack" if channels < 3 else "rgb",
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
        "compression": "zlib",
        "predictor": True,
        "iccprofile": icc_profile,
        "metadata": None,
    }
