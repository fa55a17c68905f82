"""Writes samples to an image file, in the format of its suffix."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError, InputWarning
from lmf_sr.images.decoding import Samples
from lmf_sr.images.metadata import Metadata, pillow_options, png_chunks, tiff_options, write_tiff_directories
from lmf_sr.images.png import LEVEL, write_png

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}


def format_of(path: Path) -> str:
    """The format of the suffix. Raises InputError where none that is written has it."""
    file_format = FORMATS.get(path.suffix.lower())
    if file_format is None:
        raise InputError(f"cannot write {path}: its suffix must be one of {', '.join(FORMATS)}")
    return file_format


def encode(path: Path, samples: Samples, quality: int, metadata: Metadata) -> None:
    """Writes samples in the format of the suffix; only PNG and TIFF take 16 bits.

    Raises InputError where the format cannot hold the picture or the file cannot be written; an existing file then stays.
    Gives an InputWarning where it cannot hold how the colours are encoded.
    """
    if not 1 <= quality <= 100:
        raise InputError(f"cannot write {path} with quality {quality}: it must lie between 1 and 100")
    file_format = format_of(path)
    stored = samples[..., 0] if samples.shape[2] == 1 else samples
    warn_of_colour(path, metadata)
    try:
        with replacing(path) as file:
            if file_format == "TIFF":
                with tifffile.TiffWriter(file) as tiff:
                    tiff.write(stored, **tiff_layout(samples.shape[2], metadata))
                write_tiff_directories(file, metadata)
            elif samples.dtype == np.uint16:
                write_png(file, samples.shape, 16, [samples], metadata)
            else:
                Image.fromarray(stored).save(file, file_format, **pillow_save_options(file_format, quality, metadata))
    except InputError:
        raise
    except ValueError as error:  # Pillow: the format has no room for so many pixels
        raise InputError(f"cannot write {path}: {error}") from error


def warn_of_colour(path: Path, metadata: Metadata) -> None:
    """Gives an InputWarning where the format of the suffix cannot hold how the colours are encoded."""
    unusual = metadata.unusual_colour()
    if unusual is not None and format_of(path) != "PNG":
        warnings.warn(
            f"the colours of {path} will look different, because its source declares {unusual}, for which only PNG has "
            "room: write .png",
            InputWarning,
            stacklevel=2,
        )


def pillow_save_options(file_format: str, quality: int, metadata: Metadata) -> dict[str, Any]:
    """The arguments of Pillow's `save` for PNG, JPEG and WebP."""
    if file_format == "PNG":
        chunks = PngImagePlugin.PngInfo()
        for name, content in png_chunks(replace(metadata, icc_profile=None, dpi=None, exif=None)):
            chunks.add(name, content)
        return {
            "compress_level": LEVEL,
            "pnginfo": chunks,
            "icc_profile": metadata.icc_profile,
            "dpi": metadata.dpi,
            "exif": metadata.exif or b"",
        }
    subsampling = {"subsampling": 0} if file_format == "JPEG" else {}
    return {"quality": quality, **subsampling, **pillow_options(metadata, file_format)}


def tiff_layout(channels: int, metadata: Metadata) -> dict[str, Any]:
    """The arguments of tifffile's `write` for samples with so many channels."""
    return {
        "photometric": "minisblack" if channels < 3 else "rgb",
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
        "compression": "zlib",
        "predictor": True,
        "metadata": None,
        **tiff_options(metadata),
    }
