"""Makes files of larger ones: a picture, an animation (`animations.py`) or a clip (`clips.py`).

A TIFF's pages stay together, and so do an animation's frames; where the format written holds one picture only, the first is
done and a warning says so.
"""

import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from lmf_sr.cmsr.table import BoundTable
from lmf_sr.errors import InputError, InputWarning
from lmf_sr.extras import missing_extra
from lmf_sr.images import BandedPicture, Picture, check_size, format_of, read_picture, write_bands, write_pages
from lmf_sr.images.animation import ANIMATED, is_animated, open_animation
from lmf_sr.model import Model
from lmf_sr.rendering.budget import DEFAULT, Budget
from lmf_sr.upscaling.animations import upscale_animation
from lmf_sr.upscaling.rendering import Advance, Enlarge, enlarged, enlarged_bands
from lmf_sr.upscaling.size import TargetSize
from lmf_sr.video import is_clip

ANIMATIONS_AS_CLIPS = (".gif", ".apng")  # which FFmpeg reads too, where a clip is to be made of them


def upscale_file(
    model: Model,
    source: Path,
    output: Path,
    size: TargetSize,
    cmsr: BoundTable | None = None,
    budget: Budget = DEFAULT,
    quality: int = 95,
    advance: Advance = lambda share: None,
) -> tuple[int, int]:
    """Writes a larger copy, whole or not at all, and returns the height and width of its first picture.

    Raises:
        InputError: a file that cannot be read or written, or memory that does not suffice.
    Warns:
        InputWarning: what of the source is not done, or not kept.
    """
    moving = is_clip(source) or (is_clip(output) and source.suffix.lower() in ANIMATIONS_AS_CLIPS)
    try:
        if moving:
            return _upscale_clip(partial(enlarged, model, cmsr, budget=budget), source, output, size, advance)
        return _upscale_file(model, source, output, size, cmsr, budget, quality, advance)
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        streamed = "" if moving else "write .tif or .png, which are streamed, or "
        raise InputError(
            f"there is too little memory to make {output} of {source}: {streamed}ask for fewer pixels"
        ) from error


def _upscale_clip(enlarge: Enlarge, source: Path, output: Path, size: TargetSize, advance: Advance) -> tuple[int, int]:
    try:
        from lmf_sr.upscaling.clips import upscale_clip  # here, because it needs an extra
    except ModuleNotFoundError as error:
        raise missing_extra(error, f"the clip {source}") or error from error
    return upscale_clip(enlarge, source, output, size, advance)


def _upscale_file(
    model: Model,
    source: Path,
    output: Path,
    size: TargetSize,
    cmsr: BoundTable | None,
    budget: Budget,
    quality: int,
    advance: Advance,
) -> tuple[int, int]:
    if output.suffix.lower() in ANIMATED and (animation := open_animation(source)) is not None:
        enlarge = partial(enlarged, model, cmsr, budget=budget)
        return upscale_animation(enlarge, animation, output, size, quality, advance)
    picture = read_picture(source)
    height, width = size.for_file(source, *picture.rgb.shape[1:])
    check_size(output, height, width)
    keeps_pages = picture.paged and picture.count > 1 and format_of(output) == "TIFF"
    warn_of_rest(source, picture, keeps_pages)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {output.parent}: {error.strerror}") from error
    if not keeps_pages:
        write_bands(
            output, height, width, enlarged_bands(model, cmsr, picture, height, width, advance, budget), quality
        )
        return height, width

    def advance_page(share: float) -> None:
        advance(share / picture.count)

    def pages() -> Iterator[BandedPicture]:
        for number in range(picture.count):
            page = picture if number == 0 else read_picture(source, number)
            tall, wide = size.for_file(source, *page.rgb.shape[1:])
            yield BandedPicture(tall, wide, enlarged_bands(model, cmsr, page, tall, wide, advance_page, budget))

    write_pages(output, pages(), large=picture.count * height * width > 2**30)
    return height, width


def warn_of_rest(source: Path, picture: Picture, keeps_pages: bool = False) -> None:
    """Gives an InputWarning for what was not read in full, and for pictures of the file that are not done."""
    for note in picture.notes:
        warnings.warn(f"{source}: {note}", InputWarning, stacklevel=4)
    if picture.count > 1 and not keeps_pages:
        if is_animated(source):
            kind, remedy = "frames", "; write .gif, .png or .webp for all of them"
        else:
            kind, remedy = ("pages", "; write .tif for all of them") if picture.paged else ("pictures", "")
        told = f"{source} has {picture.count} {kind}; only the first is upscaled{remedy}"
        warnings.warn(told, InputWarning, stacklevel=4)


def _lacks_memory(error: Exception) -> bool:
    """PyTorch has no error of its own for the memory of the CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
