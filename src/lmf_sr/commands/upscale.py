"""`lmf-sr upscale`: pictures and clips made larger by a model (`upscaling/`).

A file that fails does not stop the others: the failures are listed at the end.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.commands.arguments import add_cmsr, parser_for
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError
from lmf_sr.jobs.settings import scale2mod
from lmf_sr.rendering.budget import DEFAULT, Budget
from lmf_sr.upscaling.files import upscale_file
from lmf_sr.upscaling.plan import Existing, plan
from lmf_sr.upscaling.size import TargetSize

SPEED_PERIOD = 300  # seconds by which the time left is told: a frame may take many

EPILOG = """\
Files may be grey, RGB or CMYK, with a palette or transparency, 8 or 16 bits, rotated by EXIF. Bit depth, transparency,
colour profile, resolution, EXIF, XMP and PNG's text are kept as far as the written format can. A TIFF written from a TIFF
has all of its pages. Animated GIF, WebP and PNG keep all of their frames, with durations and loop, in any of these formats.

Clips (pip install 'lmf-sr[video]') are read in whatever FFmpeg reads, one frame at a time, and written as .mp4, .mov, .mkv
or .webm. The times of frames, sound, subtitles and colour tags are kept; phones' clips are set upright; sides become even.
Ctrl-C keeps what is done as a clip of its own, and says where.

Without --output, photo.jpg at scale 3.7 becomes photo_x3.7.jpg beside it, and the pictures of a folder photos/ go to
photos_x3.7/. Formats that are read but not written become PNG. Outputs that are there already are not replaced without
--overwrite; --skip-existing goes on with a folder that was stopped.

Pictures of any size are written as .tif (from 34 megapixels on a tiled BigTIFF) or .png, in bounded memory. JPEG ends at
65535 and WebP at 16383 pixels a side, and both take 3 bytes of memory a pixel.

With --mse-threshold, beyond scale 4, each place is rendered only as finely as this mean squared error from the full
rendering allows (CMSR; values in [-1, 1]; the error holds for photographs on average). Rendering then takes less time, the
more so the larger the factor; encoding and writing take the same. This needs an LMF model (lm-...) with a calibration: the
shipped ones have one, and lmf-sr calibrate makes one.

examples:
  lmf-sr upscale photo.jpg --scale 3.7
  lmf-sr upscale photo.jpg --size 1920x1080 --output large.png --model last.ckpt
  lmf-sr upscale photos/ more/cat.webp --size x2160 --output large/
  lmf-sr upscale photos/ --scale 2 --skip-existing
  lmf-sr upscale photo.jpg --scale 12 --mse-threshold 2e-5
  lmf-sr upscale scan.tif --scale 4 --memory 1GB
  lmf-sr upscale clip.mp4 --scale 2.5
  lmf-sr upscale old.avi cat.gif --size x1080 --format mkv
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb.

    Raises:
        InputError: arguments that make no sense; or, once all else is done, pictures that failed.
        KeyboardInterrupt: saying what is done.
    """
    options = _parser().parse_args(arguments)
    size = TargetSize.parse(options.size) if options.size else TargetSize(options.scale)
    budget = Budget.parse(options.memory) if options.memory else DEFAULT
    tasks, failures, kept = plan(options.pictures, options.output, options.format, str(size), options.existing)
    done: list[str] = []
    try:
        if tasks:
            model = load(options.model).to(device_named(options.device))
            cmsr = scale2mod(options, options.model, model)
        with Progress(console=Console(stderr=True), disable=not tasks, speed_estimate_period=SPEED_PERIOD) as progress:
            every = progress.add_task("all files", total=len(tasks), visible=len(tasks) > 1)
            bar = progress.add_task("", total=1)
            for source, output in tasks:
                progress.reset(bar, description=source.name)
                try:
                    height, width = upscale_file(
                        model, source, output, size, cmsr, budget, advance=lambda share: progress.advance(bar, share)
                    )
                    done.append(f"written: {output} ({width}x{height} pixels)")
                except InputError as error:
                    failures.append(error)
                except KeyboardInterrupt as interrupt:  # its argument, if any, says what is kept of this file
                    told = f"{len(done)} of {len(tasks)} files are done and kept"
                    raise KeyboardInterrupt("; ".join([told, *map(str, interrupt.args)])) from None
                progress.advance(every)
    finally:
        for line in done:
            print(line)
    if kept:
        print(f"kept, because they were there already: {len(kept)} of {len(kept) + len(tasks)}")
    if len(failures) == 1 and not done and not kept:
        raise failures[0]
    for failure in failures:
        print(f"lmf-sr: {failure}", file=sys.stderr)
    if failures:
        raise InputError(f"{len(failures)} of {len(failures) + len(done)} failed, named above; the others are done")


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("upscale", "Make pictures and clips larger, by any factor or to any size.", EPILOG)
    parser.add_argument("pictures", metavar="FILE", nargs="+", type=Path, help="a picture, a clip, or a folder of them")
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--scale", type=float, help="factor of at least 1, such as 3.7")
    size.add_argument(
        "--size", metavar="WxH", help="width and height in pixels, as in 1920x1080; 1920x or x1080 keep the aspect"
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help="shipped name or checkpoint file (default: %(default)s)")
    parser.add_argument("--output", "-o", type=Path, help="folder to write to or, for a single file, file")
    parser.add_argument(
        "--format",
        choices=("png", "jpg", "tif", "webp", "mp4", "mov", "mkv", "webm"),
        help="format to write pictures in, or clips; files of the other kind keep theirs (default: as read)",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--overwrite",
        dest="existing",
        action="store_const",
        const=Existing.REPLACE,
        default=Existing.REFUSE,
        help="replace outputs that are there already (default: refuse, and do nothing)",
    )
    existing.add_argument(
        "--skip-existing",
        dest="existing",
        action="store_const",
        const=Existing.SKIP,
        help="keep outputs that are there already, and make the others",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        help="memory that the program may take, as 800MB or 4GB (default: 1 to 3 GB, with RDN and SwinIR up to 10)",
    )
    add_cmsr(parser, threshold="the table's; without one, all is rendered in full")
    return parser
