"""Photographs from and to files.

    path --read_picture--> Picture: RGB and alpha in [0, 1], and what a rewrite should keep --write_picture--> path

`decoding.py` knows the kinds of files there are, `encoding.py` the formats written.
"""

import os
import re
import warnings
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from lmf_sr.errors import InputError, InputWarning
from lmf_sr.images.colour import to_eight_bits
from lmf_sr.images.decoding import Samples, decode
from lmf_sr.images.encoding import encode, format_of
from lmf_sr.images.metadata import Metadata
from lmf_sr.images.transparency import fill_invisible

IMAGE_SUFFIXES = (
    *(
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".tif",
        ".tiff",
        ".webp",
        ".avif",
        ".jp2",
        ".j2k",
        ".jpx",
    ),
    *(".gif", ".bmp", ".dib", ".tga", ".ppm", ".pgm", ".pbm", ".pnm"),
)
UNREAD_SUFFIXES = {  # pictures in formats that are not read
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef"), "a camera's raw format"),
    **{".jxl": "JPEG XL", ".exr": "OpenEXR", ".hdr": "Radiance HDR", ".svg": "SVG", ".pdf": "PDF"},
}
SNIFFED = ("PNG", "JPEG", "MPO", "TIFF", "WEBP", "AVIF", "JPEG2000", "GIF", "BMP", "PPM", "PSD", "PCX", "ICO")
SHOWN = 5  # names of many


@dataclass
class Picture:
    """A photograph and what writing it back should keep.

    `rgb` and `alpha` lie in [0, 1]; alpha is straight (not premultiplied). `bit_depth` (8 or 16) and `grey` describe the
    source, `count` how many pictures it holds, `paged` whether they are pages that `read_picture` can read. `notes` are
    sentences on what was not read in full, without their beginning, which is the file's name.
    """

    rgb: Float[Tensor, "3 H W"]
    alpha: Float[Tensor, "1 H W"] | None = None
    bit_depth: int = 8
    grey: bool = False
    metadata: Metadata = field(default_factory=Metadata)
    count: int = 1
    paged: bool = False
    notes: tuple[str, ...] = ()


def read_picture(path: str | os.PathLike[str], page: int = 0) -> Picture:
    """Any photograph: grey, palette, transparent, 1 to 16 bits, rotated (set upright), CMYK (converted to sRGB), animated
    (its first frame), or one page of a TIFF. Raises InputError if the file is missing, not an image, damaged or
    truncated."""
    decoded = decode(Path(path), page=page)
    picture = from_samples(decoded.samples)
    return replace(picture, metadata=decoded.metadata, count=decoded.count, paged=decoded.paged, notes=decoded.notes)


def from_samples(samples: Samples) -> Picture:
    """Samples of 8 or 16 bits as a picture."""
    bit_depth = 8 * samples.itemsize
    planes = torch.from_numpy(samples.astype(np.float32)).permute(2, 0, 1) / (2**bit_depth - 1)
    return from_planes(planes, bit_depth)


def from_planes(planes: Float[Tensor, "C H W"], bit_depth: int) -> Picture:
    """Planes in [0, 1] as a picture: grey, grey and alpha, RGB, or RGB and alpha."""
    grey, transparent = planes.shape[0] < 3, planes.shape[0] % 2 == 0
    return Picture(
        rgb=planes[:1].repeat(3, 1, 1) if grey else planes[:3].contiguous(),
        alpha=planes[-1:].contiguous() if transparent else None,
        bit_depth=bit_depth,
        grey=grey,
    )


def to_planes(picture: Picture) -> Float[Tensor, "C H W"]:
    """The planes of a picture: the reverse of `from_planes`."""
    colour = picture.rgb.mean(0, keepdim=True) if picture.grey else picture.rgb
    return colour if picture.alpha is None else torch.cat([colour, picture.alpha])


def read_rgb8(path: str | os.PathLike[str], content: bytes | None = None) -> UInt8[Tensor, "3 H W"]:
    """The photograph as 8-bit RGB, for data sets: 16 bits rounded to 8, alpha dropped and invisible colours replaced by
    those of the visible pixels. It raises what `read_picture` raises.

    `content` is what the file holds, where it lies in an archive and `path` only names it.
    """
    samples = decode(Path(path), content).samples
    alpha = samples[..., -1:] if samples.shape[2] in (2, 4) else None
    samples = to_eight_bits(samples)
    rgb = samples[..., :3] if samples.shape[2] >= 3 else samples[..., :1].repeat(3, axis=2)
    pixels = torch.from_numpy(rgb.transpose(2, 0, 1).copy())
    if alpha is not None and not alpha.all():
        visibility = torch.from_numpy((alpha / np.iinfo(alpha.dtype).max).astype(np.float32)).permute(2, 0, 1)
        pixels = fill_invisible(pixels.float(), visibility).round().to(torch.uint8)
    return pixels


def write_picture(path: str | os.PathLike[str], picture: Picture, quality: int = 95) -> None:
    """Writes PNG, JPEG, TIFF or WebP, by the suffix, atomically; values are clamped to [0, 1] and rounded to nearest.

    16-bit pictures stay so in PNG and TIFF. Grey ones stay grey, except in WebP and, where transparent, in TIFF. JPEG has no
    transparency: the picture is composited on white. `quality` (1 to 100) is that of JPEG and WebP.
    """
    path = Path(path)
    samples = to_samples(picture, format_of(path))
    encode(path, samples, quality, fitting_metadata(picture, grey=samples.shape[2] < 3))


def list_images(folder: str | os.PathLike[str], others: Collection[str] = ()) -> list[Path]:
    """The image files directly in a folder, in natural order (`2.png` before `10.png`), whatever their suffixes; and the
    files with the suffixes `others`.

    Raises:
        InputError: there are none, or the folder cannot be read.
    Warns:
        InputWarning: names the files that are passed over. Hidden files and folders within are, without a word.
    """
    folder = Path(folder)
    try:
        if not folder.is_dir():
            raise InputError(f"no image folder {folder}: {'it is a file' if folder.exists() else 'it does not exist'}")
        visible = [file for file in folder.iterdir() if file.name[0] != "." and not file.is_dir()]
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror}") from error
    visible.sort(key=lambda file: natural_order(file.name))
    passed_over = {file: reason for file in visible if (reason := no_image(file, others)) is not None}
    images = [file for file in visible if file not in passed_over]
    told = ", ".join(f"{file.name} ({reason})" for file, reason in list(passed_over.items())[:SHOWN])
    told += f" and {len(passed_over) - SHOWN} more" if len(passed_over) > SHOWN else ""
    if not images:
        raise InputError(f"no images in the folder {folder}: it holds {told or 'no visible file'}")
    if passed_over:
        warnings.warn(f"passed over in the folder {folder}: {told}", InputWarning, stacklevel=2)
    return images


def no_image(file: Path, others: Collection[str] = ()) -> str | None:
    """Says why a file is not an image that can be read and has none of the suffixes `others`.

    None where it is one, judged by its suffix or else by its first bytes.
    """
    suffix = file.suffix.lower()
    if not file.is_file():
        return "a link to nothing" if file.is_symlink() else "no regular file"
    if suffix in IMAGE_SUFFIXES or suffix in others:
        return None
    if suffix in UNREAD_SUFFIXES:
        return f"{UNREAD_SUFFIXES[suffix]}, which is not read"
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(file, formats=SNIFFED):
            return None
    return "no image"


def natural_order(name: str) -> list[tuple[int, str]]:
    """The key that sorts names so that 2.png comes before 10.png."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def to_samples(picture: Picture, file_format: str) -> Samples:
    """The picture's samples as integers, as far as the format can hold them."""
    alpha = picture.alpha
    if alpha is not None and file_format == "JPEG":
        picture = replace(picture, rgb=picture.rgb * alpha + (1 - alpha), alpha=None)
    grey = picture.grey and file_format != "WEBP" and not (file_format == "TIFF" and alpha is not None)
    planes = to_planes(replace(picture, grey=grey))
    dtype = np.uint16 if picture.bit_depth == 16 and file_format in ("PNG", "TIFF") else np.uint8
    levels = (planes.detach().float().cpu().clamp(0, 1) * np.iinfo(dtype).max).round()
    return np.ascontiguousarray(levels.permute(1, 2, 0).numpy().astype(dtype))


def fitting_metadata(picture: Picture, grey: bool) -> Metadata:
    """The picture's metadata, without an ICC profile for grey (bytes 16 to 19 tell) where the samples are RGB."""
    profile = picture.metadata.icc_profile
    if profile is not None and profile[16:20] == b"GRAY" and not grey:
        return replace(picture.metadata, icc_profile=None)
    return picture.metadata
