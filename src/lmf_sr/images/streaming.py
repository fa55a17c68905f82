"""From bands of rows to a file, so that a picture may be larger than memory.

Large PNGs are written row by row; large TIFFs tile by tile, as BigTIFF, which has no limit of 4 GB, in tiles of which a
viewer reads those that it shows. JPEG and WebP need all samples at once, 3 bytes a pixel; so small pictures may have it too.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.images.decoding import Samples
from lmf_sr.images.encoding import FORMATS, encode, tiff_layout, warn_of_colour
from lmf_sr.images.metadata import Metadata, write_tiff_directories
from lmf_sr.images.pictures import Picture, fitting_metadata, to_samples
from lmf_sr.images.png import write_png

GATHERED = 2**25  # pixels that are written at once
LARGEST_SIDE = {"JPEG": 65535, "WEBP": 16383, "PNG": 2**31 - 1}
TILE = 256

Shape = tuple[int, int, int]


def check_size(path: Path, height: int, width: int) -> None:
    """InputError where the suffix is none that is written, or its format has no room for so many pixels."""
    file_format = FORMATS.get(path.suffix.lower())
    if file_format is None:
        raise InputError(f"cannot write {path}: its suffix must be one of {', '.join(FORMATS)}")
    limit = LARGEST_SIDE.get(file_format)
    if limit is not None and max(height, width) > limit:
        raise InputError(
            f"cannot write {path} with {width}x{height} pixels: {file_format} ends at {limit} a side; write .tif instead"
        )


def write_bands(path: Path, height: int, width: int, bands: Iterable[Picture], quality: int = 95) -> None:
    """Writes bands of rows, top to bottom, as one picture of `height` x `width`: as `write_picture` would.

    Bit depth and metadata are those of the first band. Errors as of `write_picture`.
    """
    check_size(path, height, width)
    file_format = FORMATS[path.suffix.lower()]
    bands = iter(bands)
    first = next(bands)
    samples = (to_samples(band, file_format) for band in chain([first], bands))
    example = to_samples(first, file_format)[:1]
    shape = height, width, example.shape[2]
    metadata = fitting_metadata(first, grey=shape[2] < 3)
    if file_format in ("JPEG", "WEBP") or height * width <= GATHERED:
        encode(path, _gathered(samples, shape, example.dtype), quality, metadata)
        return
    warn_of_colour(path, metadata)
    with replacing(path) as file:
        if file_format == "PNG":
            write_png(file, shape, 8 * example.itemsize, samples, metadata)
        else:
            _write_tiff(file, shape, example.dtype, samples, metadata)


def _gathered(bands: Iterable[Samples], shape: Shape, dtype: np.dtype) -> Samples:
    samples = np.empty(shape, dtype)
    row = 0
    for band in bands:
        samples[row : row + len(band)] = band
        row += len(band)
    return samples


def _write_tiff(file: BinaryIO, shape: Shape, dtype: np.dtype, bands: Iterable[Samples], metadata: Metadata) -> None:
    with tifffile.TiffWriter(file, bigtiff=True) as tiff:
        tiff.write(
            _tiles(bands),
            shape=shape if shape[2] > 1 else shape[:2],
            dtype=dtype,
            tile=(TILE, TILE),
            **tiff_layout(shape[2], metadata),
        )
    write_tiff_directories(file, metadata)


def _tiles(bands: Iterable[Samples]) -> Iterator[Samples]:
    """The tiles row by row; those that reach over the border are filled up with zeros."""
    for rows in _in_rows(bands, TILE):
        for left in range(0, rows.shape[1], TILE):
            tile = rows[:, left : left + TILE]
            yield np.pad(tile, [(0, TILE - tile.shape[0]), (0, TILE - tile.shape[1]), (0, 0)])


def _in_rows(bands: Iterable[Samples], count: int) -> Iterator[Samples]:
    """The same rows in bands of `count`; the last has the rest."""
    waiting: list[Samples] = []
    for band in bands:
        waiting.append(band)
        while sum(map(len, waiting)) >= count:
            rows = np.concatenate(waiting)
            yield rows[:count]
            waiting = [rows[count:]]
    rest = np.concatenate(waiting)
    if len(rest):
        yield rest
