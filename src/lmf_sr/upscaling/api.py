"""`lmf_sr.upscale`: one picture or clip made larger, whatever Python has it as."""

import os
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError
from lmf_sr.images import Picture, read_picture
from lmf_sr.model import Model
from lmf_sr.upscaling.arrays import enlarged_array, enlarged_image, enlarged_tensor, image_of
from lmf_sr.upscaling.files import upscale_file, warn_of_rest
from lmf_sr.upscaling.rendering import enlarged
from lmf_sr.upscaling.size import TargetSize
from lmf_sr.video import is_clip


def upscale(
    picture: str | os.PathLike[str] | Image.Image | np.ndarray | Tensor,
    scale: float | None = None,
    *,
    size: str | tuple[int, int] | None = None,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    quality: int = 95,
    model: str | Path | Model = DEFAULT_MODEL,
    device: str = "auto",
    cmsr: Scale2Mod | None = None,
) -> Image.Image | np.ndarray | Tensor | Path:
    """Makes a picture larger, by any factor or to any size.

    Examples:
        >>> import lmf_sr, numpy
        >>> lmf_sr.upscale(numpy.zeros((20, 30, 3), numpy.uint8), scale=3.3).shape
        (66, 99, 3)

    Args:
        picture: a file, which may be a clip; or a PIL image, a NumPy array or a tensor as `upscaling/arrays.py` lists them.
        scale: a factor of at least 1; or None, with `size`.
        size: width and height in pixels, as (1920, 1080) or "1920x1080"; "1920x" and "x1080" keep the aspect.
        output: the file to write, from a file only; it keeps bit depth, metadata, a TIFF's pages, an animation's frames and
            a clip's sound as `lmf-sr upscale` does. A clip needs one.
        overwrite: whether an output that is there already is replaced.
        quality: 1 to 100, of JPEG and WebP.
        model: a shipped model's name, a checkpoint file, or a model, which for several pictures is loaded once only.
        device: auto, cpu, cuda, cuda:1; a `Model` stays where it is.
        cmsr: the table by which, beyond scale 4, each place is rendered only as finely as it needs.

    Returns:
        `output` if it is given; else what `picture` is, a PIL image, an array or a tensor, and a PIL image for a file.

    Raises:
        InputError: a picture, size, output, model or device that is of no use, saying why.
    Warns:
        InputWarning: what of a file is not done, such as the further frames of an animation without an `output`.
    """
    target = _target(scale, size)
    if output is not None and Path(output).exists() and not overwrite:
        raise InputError(f"{output} is there already: overwrite=True replaces it")
    if output is not None and not isinstance(picture, str | os.PathLike):
        raise InputError(f"output={output} is for files: save what upscale returns, or give a file as the picture")
    if output is None and isinstance(picture, str | os.PathLike) and is_clip(picture):
        raise InputError(
            f"{picture} is a clip, which is no single image: name the file to write, as output='large.mp4'"
        )
    if not isinstance(model, Model):
        model = load(model).to(device_named(device))

    table = None if cmsr is None else cmsr.bound_to(model)

    def enlarge(small: Picture) -> Picture:
        return enlarged(model, table, small, *target.for_picture(*small.rgb.shape[1:]))

    if isinstance(picture, Image.Image):
        return enlarged_image(picture, enlarge)
    if isinstance(picture, np.ndarray):
        return enlarged_array(picture, enlarge)
    if isinstance(picture, Tensor):
        return enlarged_tensor(picture, enlarge)
    if output is not None:
        upscale_file(model, Path(picture), Path(output), target, table, quality=quality)
        return Path(output)
    read = read_picture(picture)
    warn_of_rest(Path(picture), read)
    return image_of(enlarge(read))


def _target(scale: float | None, size: str | tuple[int, int] | None) -> TargetSize:
    if (scale is None) == (size is None):
        raise InputError(f"scale={scale} and size={size}: exactly one of them is needed")
    if isinstance(size, str):
        return TargetSize.parse(size)
    return TargetSize(scale) if size is None else TargetSize.parse(f"{size[0]}x{size[1]}")
