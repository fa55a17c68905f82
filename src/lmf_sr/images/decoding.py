"""Reads the samples of an image file, whatever kind of photograph it is.

Pillow decodes; this file adds what it leaves to the caller: the EXIF rotation, transparency in its many forms, CMYK, a
sensible guard against decompression bombs, errors a user understands, and PNG's 16-bit colour, of which Pillow keeps one
byte. `tiff.py` reads TIFF, except for the kinds that it leaves to Pillow.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, UInt8, UInt16
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from lmf_sr.errors import InputError
from lmf_sr.images import tiff
from lmf_sr.images.bombs import check_claim
from lmf_sr.images.colour import cmyk_to_rgb
from lmf_sr.images.metadata import Metadata, from_pillow

Samples: TypeAlias = UInt8[np.ndarray, "H W C"] | UInt16[np.ndarray, "H W C"]  # grey; grey and alpha; RGB; RGBA

UNREAD = {  # formats that are not read, by how their files begin
    rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)": "a HEIC picture",
    rb"\xff\x0a|\0\0\0\x0cJXL ": "a JPEG XL picture",
    rb"%PDF": "a PDF document",
    rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg": "an SVG drawing",
    rb"v/1\x01": "an OpenEXR picture",
    rb"#\?(RADIANCE|RGBE)": "a Radiance HDR picture",
    rb"FUJIFILMCCD-RAW|....ftypcrx |IIU\0|IIRO|MMOR": "a camera's raw picture",
}


@dataclass(frozen=True)
class Decoded:
    """The samples of a file, upright, and what else it tells.

    `count` is how many pictures the file holds, and `paged` whether they are pages that `decode` can read. `notes` are
    sentences on what was not read in full, without their beginning, which is the file's name.
    """

    samples: Samples
    metadata: Metadata
    count: int = 1
    paged: bool = False
    notes: tuple[str, ...] = ()


def decode(path: Path, content: bytes | None = None, page: int = 0) -> Decoded:
    """The picture in a file, or one page of a TIFF.

    `content` is what the file holds, where it lies in an archive and `path` only names it. Raises InputError if the
    file is missing, not an image, damaged or truncated.
    """
    with readable(path) as beginning:
        content = path.read_bytes() if content is None else content
        beginning[:] = content[:1000]
        if not content:
            raise InputError("the file is empty")
        if not tiff.is_tiff(content):
            image = open_content(content)
            return _sixteen_bit_png(image, content) or _by_pillow(image, content)
        pages = tiff.page_numbers(content)
        read = tiff.read_page(content, pages[page])
        if read is None:
            return replace(_by_pillow(open_content(content), content, pages[page]), count=len(pages), paged=True)
        return Decoded(read.samples, read.metadata, len(pages), True, tuple(read.notes))


@contextmanager
def readable(path: Path) -> Iterator[bytearray]:
    """Raises an InputError that names the file when reading fails, and lifts Pillow's limit of pixels meanwhile.

    Yields a buffer for the first bytes of the file, which name its format if it cannot be read.
    """
    pillow_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    beginning = bytearray()
    try:
        yield beginning
    except MemoryError:
        raise
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except FileNotFoundError:
        raise InputError(f"no image {path}: the file does not exist") from None
    except UnidentifiedImageError:
        for signature, name in UNREAD.items():
            if re.match(signature, beginning, re.DOTALL):
                raise InputError(f"cannot read {path}: it is {name}; convert it to PNG, TIFF or JPEG") from None
        raise InputError(
            f"cannot read {path}: the file is no image of a known format, or one damaged at its start"
        ) from None
    except Exception as error:  # on a damaged file decoders raise nearly anything
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"damaged or unsupported: {error}"
        raise InputError(f"cannot read {path}: {reason}") from error
    finally:
        if pillow_limit is not None:  # None if another thread lifted it, which then restores it
            Image.MAX_IMAGE_PIXELS = pillow_limit


def open_content(content: bytes) -> ImageFile.ImageFile:
    """Reads the header, and refuses a decompression bomb."""
    image = Image.open(BytesIO(content))
    check_claim(image.width, image.height, content)
    return image


def _set_upright(image: Image.Image) -> None:
    """Decodes, and applies the EXIF orientation; a damaged EXIF block is no reason to refuse the picture."""
    image.load()
    with suppress(OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)


def _by_pillow(image: ImageFile.ImageFile, content: bytes, page: int = 0) -> Decoded:
    """Every kind but 16-bit colour and what `tiff.py` reads."""
    count = getattr(image, "n_frames", 1)
    image.seek(page)
    levels = 4096 if _layout(image) == "I;12" else 65536
    _set_upright(image)
    metadata = from_pillow(image, content)
    if image.mode == "CMYK":
        metadata = replace(metadata, icc_profile=None)
    return Decoded(shown_samples(image, levels), metadata, count)


def shown_samples(image: Image.Image, levels: int = 65536) -> Samples:
    """The samples of a Pillow image of any mode, as it is shown: without palette, inks or premultiplication.

    `levels` are those of grey of more than 8 bits. Raises InputError for numbers that are no shades of grey.
    """
    if image.mode.startswith(("I", "F")):
        return _key_to_alpha(_sixteen_bit_grey(image, levels), image)
    if image.mode == "CMYK":
        return cmyk_to_rgb(np.asarray(image), image.info.get("icc_profile"))
    grey = image.mode in ("1", "L", "LA", "La")
    mode = ("LA" if grey else "RGBA") if image.has_transparency_data else ("L" if grey else "RGB")
    return np.atleast_3d(np.asarray(image.convert(mode)))


def _sixteen_bit_grey(image: Image.Image, levels: int) -> UInt16[np.ndarray, "H W C"]:
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() >= levels:
        raise InputError(
            f"its samples are {values.dtype} from {values.min()} to {values.max()}; convert them to 8 or 16 bits"
        )
    return ((values.astype(np.uint32) * 65535 + (levels - 1) // 2) // (levels - 1)).astype(np.uint16)[..., None]


def _sixteen_bit_png(opened: ImageFile.ImageFile, content: bytes) -> Decoded | None:
    """16-bit RGB, RGBA, or grey with alpha; None where the file holds anything else.

    Pillow has a 16-bit colour decoder for each byte order, and each keeps what it takes for the high byte. Decoding by both
    hence yields both bytes of every sample. Grey with alpha passes unread as the four bytes of RGBA.
    """
    layout = _layout(opened)
    if layout == "LA;16B":
        image = _decode_as("RGBA", content)
        samples = np.asarray(image).view(">u2")
    elif colour := re.fullmatch("(RGBA?;16)([BLN])", layout):
        image, other = _decode_as(f"{colour[1]}B", content), _decode_as(f"{colour[1]}L", content)
        byte_order = {"B": ">", "L": "<", "N": "="}[colour[2]]
        samples = np.stack([np.asarray(image), np.asarray(other)], axis=-1).view(f"{byte_order}u2")[..., 0]
    else:
        return None
    count = getattr(opened, "n_frames", 1)
    return Decoded(_key_to_alpha(samples.astype(np.uint16), image), from_pillow(image, content), count)


def _layout(image: Image.Image) -> str:
    """Pillow's name ("rawmode") for how the samples lie in the file; empty where it has none."""
    tiles = getattr(image, "tile", [])
    options = tiles[0].args if tiles else None
    layout = options[0] if isinstance(options, tuple) else options
    return layout if isinstance(layout, str) else ""


def _decode_as(layout: str, content: bytes) -> ImageFile.ImageFile:
    """Decodes with the samples taken to lie in the file as `layout` says."""
    image = open_content(content)
    image.tile = [t._replace(args=(layout, *t.args[1:]) if isinstance(t.args, tuple) else layout) for t in image.tile]
    _set_upright(image)
    return image


def _key_to_alpha(samples: UInt16[np.ndarray, "H W C"], image: Image.Image) -> UInt16[np.ndarray, "H W C2"]:
    """The one colour that a PNG may declare transparent, as an alpha channel."""
    key = image.info.get("transparency")
    if key is None:
        return samples
    opaque: Bool[np.ndarray, "H W 1"] = (samples != np.array(key)).any(axis=-1, keepdims=True)
    return np.concatenate([samples, opaque * np.uint16(65535)], axis=-1)
