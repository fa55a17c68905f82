"""`lmf-sr prepare`: photographs and archives to one file that training reads without decoding (`data/preparing.py`)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from lmf_sr.commands.arguments import parser_for
from lmf_sr.data.preparing import MIN_SIDE, prepare

EPILOG = """\
SOURCE is a folder, or a zip or tar archive, which need not be unpacked. DIV2K and benchmark sets in EDSR's layout are
recognised by their folders, wherever these lie, and checked for completeness; all other images are photographs to train on.
Images that cannot be read, are too small or are missing are listed; --strict makes that an error.

where the standard sets are:
  DIV2K (800 + 100 photographs of 2 megapixels; for research)   https://data.vision.ee.ethz.ch/cvl/DIV2K/
      DIV2K_train_HR.zip, DIV2K_valid_HR.zip; for the usual LR images DIV2K_valid_LR_bicubic_X2.zip, _X3, _X4
  Set5, Set14, B100, Urban100 with LR images                    https://cv.snu.ac.kr/research/EDSR/benchmark.tar
  Flickr2K (2650 photographs)                                   https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar
  BSDS500 (500 small photographs, of which B100 is a part)      https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html
  of your own: any photographs, the sharper the better

examples:
  lmf-sr prepare DIV2K_train_HR.zip DIV2K_valid_HR.zip DIV2K_valid_LR_bicubic_X*.zip div2k.store
  lmf-sr prepare photos/ more.zip --validation test-photos/ photos.store
  lmf-sr prepare benchmark.tar benchmark.store

  lmf-sr train data=store data.root=div2k.store
  lmf-sr evaluate ckpt=last.ckpt data=store data.root=benchmark.store data.sets=[Set5,Set14]
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError as `prepare` does, after listing what is wrong with the sources."""
    options = _parser().parse_intermixed_args(arguments)  # options may stand among the sources
    output: Path = options.output
    problems: list[str] = []
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("preparing", total=None)
            counts = prepare(
                options.sources,
                output,
                options.validation,
                options.min_side,
                options.strict,
                report=problems.append,
                advance=lambda done, total: progress.update(bar, completed=done, total=total),
            )
    finally:
        for problem in problems:
            print(f"lmf-sr: {problem}", file=sys.stderr)
    for folder, images in counts.items():
        print(f"{folder}: {images} images")
    print(f"written: {output} ({output.stat().st_size / 1e6:,.1f} MB)")


def _parser() -> argparse.ArgumentParser:
    parser = parser_for(
        "prepare", "Make one file of photographs and archives, from which data=store trains and evaluates.", EPILOG
    )
    parser.add_argument("sources", metavar="SOURCE", nargs="*", type=Path, help="a folder, or a zip or tar archive")
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="the file to make, as in photos.store")
    parser.add_argument(
        "--validation", metavar="SOURCE", action="append", default=[], type=Path, help="photographs to validate on only"
    )
    parser.add_argument(
        "--min-side",
        type=int,
        default=MIN_SIDE,
        help="leave out training photographs with a side of fewer pixels (default: %(default)s, the side of the largest "
        "patch of the default recipe: 48 x 4)",
    )
    parser.add_argument("--strict", action="store_true", help="make nothing if anything would be listed")
    return parser
