"""Bands of rows to a file, so that a picture may be larger than memory.

Large PNGs are written row by row. Large TIFFs are written tile by tile, as BigTIFF, which has no limit of 4 GB; a viewer
reads only the tiles that it shows. JPEG and WebP need all samples at once, 3 bytes a pixel, and small pictures are
gathered too.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.images.decoding import Samples
from lmf_sr.images.encoding import encode, format_of, tiff_layout, warn_of_colour
from lmf_sr.images.metadata import Metadata, write_tiff_directories
from lmf_sr.images.pictures import Picture, fitting_metadata, to_samples
from lmf_sr.images.png import write_png

GATHERED = 2**25  # pixels that are written at once
LARGEST_SIDE = {"JPEG": 65535, "WEBP": 16383, "GIF": 65535, "PNG": 2**31 - 1}
TILE = 256

Shape = tuple[int, int, int]


def check_size(path: Path, height: int, width: int) -> None:
    """Raises InputError if no format with this suffix is written, or if it has no room for so many pixels."""
    file_format = format_of(path)
    limit = LARGEST_SIDE.get(file_format)
    if limit is not None and max(height, width) > limit:
        raise InputError(
            f"cannot write {path} with {width}x{height} pixels: {file_format} ends at {limit} a side; write .tif instead"
        )


class BandedPicture(NamedTuple):
    """A picture of `height` x `width` pixels as bands of rows, top to bottom."""

    height: int
    width: int
    bands: Iterable[Picture]


def write_bands(path: Path, height: int, width: int, bands: Iterable[Picture], quality: int = 95) -> None:
    """Writes bands of rows, top to bottom, as one picture of `height` x `width`, as `write_picture` would.

    Bit depth and metadata are those of the first band. It raises what `write_picture` raises.
    """
    check_size(path, height, width)
    file_format = format_of(path)
    picture, large = BandedPicture(height, width, bands), height * width > GATHERED
    if large and file_format == "TIFF":
        write_pages(path, [picture], large=True)
        return
    layout = _layout(picture, file_format)
    if large and file_format == "PNG":
        with replacing(path) as file:
            write_png(file, layout.shape, 8 * layout.dtype.itemsize, layout.samples, layout.metadata)
    else:
        encode(path, _gathered(layout), quality, layout.metadata)


def write_pages(path: Path, pages: Iterable[BandedPicture], large: bool) -> None:
    """Writes pictures as the pages of a TIFF, in their order, or of a BigTIFF if they are `large` together."""
    written: list[Metadata] = []
    with replacing(path) as file:
        with tifffile.TiffWriter(file, bigtiff=large) as tiff:
            for page in pages:
                layout = _layout(page, "TIFF")
                warn_of_colour(path, layout.metadata)
                _write_page(tiff, layout)
                written.append(layout.metadata)
        for number, metadata in enumerate(written):
            write_tiff_directories(file, metadata, number)


class _Layout(NamedTuple):
    """Samples in bands, with the shape, type and metadata that have to be known before the first is written."""

    shape: Shape
    dtype: np.dtype
    metadata: Metadata
    samples: Iterator[Samples]


def _layout(picture: BandedPicture, file_format: str) -> _Layout:
    bands = iter(picture.bands)
    first = next(bands)
    example = to_samples(first, file_format)[:1]
    shape = picture.height, picture.width, example.shape[2]
    samples = (to_samples(band, file_format) for band in chain([first], bands))
    return _Layout(shape, example.dtype, fitting_metadata(first, grey=shape[2] < 3), samples)


def _gathered(layout: _Layout) -> Samples:
    samples = np.empty(layout.shape, layout.dtype)
    row = 0
    for band in layout.samples:
        samples[row : row + len(band)] = band
        row += len(band)
    return samples


def _write_page(tiff: tifffile.TiffWriter, layout: _Layout) -> None:
    tiff.write(
        _tiles(layout.samples),
        shape=layout.shape if layout.shape[2] > 1 else layout.shape[:2],
        dtype=layout.dtype,
        tile=(TILE, TILE),
        **tiff_layout(layout.shape[2], layout.metadata),
    )


def _tiles(bands: Iterable[Samples]) -> Iterator[Samples]:
    """Yields the tiles row by row. Tiles that reach over the border are filled up with zeros."""
    for rows in _in_rows(bands, TILE):
        for left in range(0, rows.shape[1], TILE):
            tile = rows[:, left : left + TILE]
            yield np.pad(tile, [(0, TILE - tile.shape[0]), (0, TILE - tile.shape[1]), (0, 0)])


def _in_rows(bands: Iterable[Samples], count: int) -> Iterator[Samples]:
    """Regroups the rows into bands of `count`; the last band has the rest."""
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
