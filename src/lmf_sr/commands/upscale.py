"""`lmf-sr upscale`: pictures made larger by a model, by any factor or to any size.

Colour goes through the model, transparency is upscaled bicubically: in bands of rows, as which large pictures are also
written, so that they may be larger than memory. A picture that fails does not stop the others: the failures are listed at
the end.
"""

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import Progress

from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.commands.arguments import add_cmsr, parser_for
from lmf_sr.errors import InputError
from lmf_sr.images import IMAGE_SUFFIXES, Picture, check_size, imresize_rows, list_images, read_picture, write_bands
from lmf_sr.images.encoding import FORMATS
from lmf_sr.jobs.settings import device_named, scale2mod
from lmf_sr.model import Model

REMEDY = "write .tif or .png, which are streamed, or ask for fewer pixels"

EPILOG = """\
Files may be grey, RGB or CMYK, with a palette or transparency, 8 or 16 bits, rotated by EXIF. Bit depth, transparency,
colour profile and EXIF are kept as far as the written format can.

Without --output, photo.jpg at scale 3.7 becomes photo_x3.7.jpg beside it, and the pictures of a folder photos/ go to
photos_x3.7/. Formats that are read but not written become PNG.

Pictures of any size are written as .tif (from 34 megapixels on a tiled BigTIFF) or .png, in bounded memory. JPEG ends at
65535 and WebP at 16383 pixels a side, and both take 3 bytes of memory a pixel.

With --mse-threshold, beyond scale 4, each place is rendered only as finely as this mean squared error from the full
rendering asks for (CMSR; of values in [-1, 1]; photographs taken together keep to it). Rendering then takes less time, the
more so the larger the factor; encoding and writing take the same. For LMF models (lm-...) with a calibration: those that
ship have one, lmf-sr calibrate makes it.

examples:
  lmf-sr upscale photo.jpg --scale 3.7
  lmf-sr upscale photo.jpg --size 1920x1080 --output large.png --model last.ckpt
  lmf-sr upscale photos/ more/cat.webp --size x2160 --output large/
  lmf-sr upscale photo.jpg --scale 12 --mse-threshold 2e-5
"""


class Task(NamedTuple):
    source: Path
    output: Path


def main(arguments: Sequence[str]) -> None:
    """Runs the verb.

    Raises:
        InputError: arguments that make no sense; or, once all else is done, pictures that failed.
        KeyboardInterrupt: saying what is done.
    """
    options = _parser().parse_args(arguments)
    if options.scale is not None and not 1 <= options.scale < math.inf:
        raise InputError(f"--scale {options.scale:g} makes no picture larger: it must be a number of at least 1")
    tasks, failures = _plan(
        options.pictures, options.output, options.format, label=options.size or f"x{options.scale:g}"
    )
    model = load(options.model).to(device_named(options.device))
    cmsr = scale2mod(options, options.model, model)

    done = 0
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=len(tasks))
        for task in tasks:
            progress.update(bar, description=task.source.name)
            try:
                _upscale(model, cmsr, task, options, lambda share: progress.advance(bar, share))
                done += 1
            except InputError as error:
                failures.append(error)
            except (MemoryError, RuntimeError) as error:
                if not _lacks_memory(error):
                    raise
                failures.append(
                    InputError(f"there is too little memory to make {task.output} of {task.source}: {REMEDY}")
                )
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"{done} of {len(tasks)} pictures are done and kept") from None
            progress.update(bar, completed=done)
    if len(failures) == 1 and not done:
        raise failures[0]
    for failure in failures:
        print(f"lmf-sr: {failure}", file=sys.stderr)
    if failures:
        raise InputError(f"{len(failures)} of {len(failures) + done} failed, named above; the others are done")


def _lacks_memory(error: Exception) -> bool:
    """PyTorch has no error of its own for the memory of the CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("upscale", "Make pictures larger, by any factor or to any size.", EPILOG)
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", type=Path, help="a file, or a folder of files")
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--scale", type=float, help="factor of at least 1, such as 3.7")
    size.add_argument(
        "--size",
        type=_size,
        metavar="WxH",
        help="width and height in pixels, as in 1920x1080; 1920x or x1080 keep the aspect",
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help="shipped name or checkpoint file (default: %(default)s)")
    parser.add_argument("--output", "-o", type=Path, help="folder to write to or, for a single picture, file")
    parser.add_argument("--format", choices=("png", "jpg", "tif", "webp"), help="format to write (default: as read)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: %(default)s)")
    add_cmsr(parser, threshold="the table's; without one, all is rendered in full")
    return parser


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*x([1-9]\d*)?|x[1-9]\d*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not WxH, Wx or xH, as in 1920x1080, 1920x or x1080")
    return text


def _plan(
    pictures: Sequence[Path], output: Path | None, written_format: str | None, label: str
) -> tuple[list[Task], list[InputError]]:
    """What becomes what, and the folders without pictures.

    Raises InputError where that would overwrite an input, or write one file twice.
    """
    failures = []
    names_file = output is not None and output.suffix.lower() in IMAGE_SUFFIXES and not output.is_dir()
    if output is not None and names_file:
        if len(pictures) > 1 or pictures[0].is_dir():
            raise InputError(f"--output {output} is one file, but there may be several pictures: name a folder")
        tasks = [Task(pictures[0], output)]
    else:
        tasks = []
        for given in pictures:
            if given.is_dir():
                whole = given.resolve()  # the folder itself where it is given as . or ..
                folder = output or whole.with_name(f"{whole.name}_{label}")
                try:
                    tasks += [Task(file, folder / _name(file, "", written_format)) for file in list_images(given)]
                except InputError as error:
                    failures.append(error)
            else:
                folder, mark = (output, "") if output else (given.parent, f"_{label}")
                tasks.append(Task(given, folder / _name(given, mark, written_format)))
    sources = {task.source.resolve() for task in tasks}
    taken: dict[Path, Path] = {}
    for source, target in tasks:
        if target.resolve() in sources:
            raise InputError(f"{target} would overwrite an input: name another --output")
        if target.resolve() in taken:
            raise InputError(f"{taken[target.resolve()]} and {source} would both become {target}: upscale them apart")
        taken[target.resolve()] = source
    return tasks, failures


def _name(file: Path, mark: str, written_format: str | None) -> str:
    suffix = f".{written_format}" if written_format else file.suffix if file.suffix.lower() in FORMATS else ".png"
    return f"{file.stem}{mark}{suffix}"


def _upscale(
    model: Model, cmsr: Scale2Mod | None, task: Task, options: argparse.Namespace, advance: Callable[[float], None]
) -> None:
    """One picture; `advance` is told each share of it that is done."""
    picture = read_picture(task.source)
    h, w = picture.rgb.shape[1:]
    height, width = _target_size(h, w, options.scale, options.size)
    if height < h or width < w:
        raise InputError(
            f"{task.source} is {w}x{h} pixels, larger than the {width}x{height} asked for: nothing to upscale"
        )
    check_size(task.output, height, width)
    try:
        task.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {task.output.parent}: {error.strerror}") from error
    write_bands(task.output, height, width, _bands(model, cmsr, picture, height, width, advance))


def _target_size(h: int, w: int, scale: float | None, size: str | None) -> tuple[int, int]:
    """Height and width of the output; a side that `size` leaves out follows from the other."""
    if size is None:
        assert scale is not None
        return round(h * scale), round(w * scale)
    width, height = (int(side or 0) for side in size.split("x"))
    return height or round(h * width / w), width or round(w * height / h)


def _bands(
    model: Model, cmsr: Scale2Mod | None, picture: Picture, height: int, width: int, advance: Callable[[float], None]
) -> Iterator[Picture]:
    """The upscaled picture in bands of rows."""
    top = 0
    for rgb in model.stream(picture.rgb, height, width, cmsr=cmsr):
        rows = slice(top, top + rgb.shape[2])
        alpha = None if picture.alpha is None else imresize_rows(picture.alpha, height, width, rows).clamp(0, 1)
        yield replace(picture, rgb=rgb[0].cpu(), alpha=alpha)
        advance((rows.stop - top) / height)
        top = rows.stop
