"""From an image file to its samples, whatever kind of photograph it is.

Pillow decodes; this file adds what it leaves to the caller: the EXIF rotation, transparency in its many forms, CMYK, a
sensible guard against decompression bombs, errors a user understands, and 16-bit colour, of which Pillow keeps one byte.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tifffile
from jaxtyping import UInt8, UInt16
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import PLANAR_CONFIGURATION, TiffImageFile

from lmf_sr.errors import InputError

# A small file can claim any size, and decoding it would fill the memory. Up to LARGE pixels (1.6 GB as float RGB) an
# image is read whatever it claims; beyond, the file must carry a byte per PIXELS_PER_BYTE pixels, as photographs do many
# times over and decompression bombs do not.
LARGE = 2**27
PIXELS_PER_BYTE = 100

Samples: TypeAlias = UInt8[np.ndarray, "H W C"] | UInt16[np.ndarray, "H W C"]  # grey; grey and alpha; RGB; RGBA


def decode(path: Path, content: bytes | None = None) -> tuple[Samples, Image.Image]:
    """The samples, upright, and the Pillow image that carries the profile and EXIF.

    `content` is what the file holds, where it lies in an archive and `path` only names it. InputError if the file is
    missing, not an image, damaged or truncated.
    """
    with _readable(path):
        content = path.read_bytes() if content is None else content
        return _sixteen_bit_colour(content) or _any_other(content)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what goes wrong into an InputError that names the file; lift Pillow's fixed limit of pixels meanwhile."""
    pillow_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    except MemoryError:
        raise
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except FileNotFoundError:
        raise InputError(f"no image {path}: the file does not exist") from None
    except UnidentifiedImageError:
        raise InputError(
            f"cannot read {path}: the file is no image of a known format, or one damaged at its start"
        ) from None
    except Exception as error:  # on a damaged file Pillow's decoders raise nearly anything
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"damaged or unsupported: {error}"
        raise InputError(f"cannot read {path}: {reason}") from error
    finally:
        if pillow_limit is not None:  # None if another thread lifted it, which then restores it
            Image.MAX_IMAGE_PIXELS = pillow_limit


def _open(content: bytes) -> ImageFile.ImageFile:
    """Read the header, and refuse a decompression bomb."""
    if not content:
        raise InputError("the file is empty")
    image = Image.open(BytesIO(content))
    if image.width * image.height > max(LARGE, PIXELS_PER_BYTE * len(content)):
        raise InputError(
            f"its {len(content)} bytes claim to hold {image.width}x{image.height} pixels, far more than a photograph "
            "packs; if it is one, write it again with less compression"
        )
    return image


def _set_upright(image: Image.Image) -> None:
    """Decode and apply the EXIF orientation; a damaged EXIF block is no reason to refuse the picture."""
    image.load()
    with suppress(OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        ImageOps.exif_transpose(image, in_place=True)


def _any_other(content: bytes) -> tuple[Samples, Image.Image]:
    """Every kind but 16-bit colour."""
    image: Image.Image = _open(content)
    _set_upright(image)
    if image.mode.startswith(("I", "F")):
        return _key_to_alpha(_sixteen_bit_grey(image), image), image
    if image.mode == "CMYK":
        image = _cmyk_to_srgb(image)
    grey = image.mode in ("1", "L", "LA", "La")
    mode = ("LA" if grey else "RGBA") if image.has_transparency_data else ("L" if grey else "RGB")
    return np.atleast_3d(np.asarray(image.convert(mode))), image


def _cmyk_to_srgb(image: Image.Image) -> Image.Image:
    """By the embedded profile if there is a sound one, else by inks that multiply: R = (1 - C)(1 - K) and so on."""
    profile = image.info.pop("icc_profile", None)
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, BytesIO(profile), srgb, outputMode="RGB")
            if converted is not None:
                return converted
    return image.convert("RGB")


def _sixteen_bit_grey(image: Image.Image) -> UInt16[np.ndarray, "H W C"]:
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise InputError(
            f"its samples are {values.dtype} from {values.min()} to {values.max()}; convert them to 8 or 16 bits"
        )
    return values.astype(np.uint16)[..., None]


def _sixteen_bit_colour(content: bytes) -> tuple[Samples, Image.Image] | None:
    """16-bit RGB, RGBA, or grey with alpha; None where the file holds anything else.

    Pillow has a 16-bit colour decoder for each byte order, and each keeps what it takes for the high byte. Decoding by both
    hence yields both bytes of every sample. Grey with alpha passes unread as the four bytes of RGBA.
    """
    image: Image.Image = _open(content)
    if isinstance(image, TiffImageFile) and image.tag_v2.get(PLANAR_CONFIGURATION) == 2:
        separate = tifffile.imread(BytesIO(content), key=0)
        return (np.moveaxis(separate, 0, -1), image) if separate.dtype == np.uint16 else None
    layout = _layout(image)
    if layout == "LA;16B":
        image = _decode_as("RGBA", content)
        return np.asarray(image).view(">u2").astype(np.uint16), image
    colour = re.fullmatch("(RGBA?;16)([BLN])", layout)
    if colour is None:
        return None
    image, other = _decode_as(f"{colour[1]}B", content), _decode_as(f"{colour[1]}L", content)
    byte_order = {"B": ">", "L": "<", "N": "="}[colour[2]]
    samples = np.stack([np.asarray(image), np.asarray(other)], axis=-1).view(f"{byte_order}u2")[..., 0]
    return _key_to_alpha(samples.astype(np.uint16), image), image


def _layout(image: Image.Image) -> str:
    """Pillow's name ("rawmode") for how the samples lie in the file; empty where it has none."""
    tiles = getattr(image, "tile", [])
    options = tiles[0].args if tiles else None
    layout = options[0] if isinstance(options, tuple) else options
    return layout if isinstance(layout, str) else ""


def _decode_as(layout: str, content: bytes) -> Image.Image:
    """Decode with the samples taken to lie in the file as `layout` says."""
    image = _open(content)
    image.tile = [t._replace(args=(layout, *t.args[1:]) if isinstance(t.args, tuple) else layout) for t in image.tile]
    _set_upright(image)
    return image


def _key_to_alpha(samples: UInt16[np.ndarray, "H W C"], image: Image.Image) -> UInt16[np.ndarray, "H W C2"]:
    """The one colour that a PNG may declare transparent, as an alpha channel."""
    key = image.info.get("transparency")
    if key is None:
        return samples
    opaque = (samples != np.array(key)).any(axis=-1, keepdims=True)
    return np.concatenate([samples, opaque * np.uint16(65535)], axis=-1)
