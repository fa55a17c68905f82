"""`lmf-sr prepare`: photographs and archives, as they were downloaded, to one file that training reads without decoding."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import track

from lmf_sr.commands.arguments import parser_for
from lmf_sr.data.archives import ImageFile, Size, image_files, key_of, listed, shortcomings
from lmf_sr.data.store import TRAINING, VALIDATION, Pixels, folder_of, write_store
from lmf_sr.errors import InputError
from lmf_sr.images import read_rgb8

EPILOG = """\
SOURCE is a folder, or a zip or tar archive, which need not be unpacked. DIV2K and benchmark sets in EDSR's layout are
recognised by their folders, wherever these lie, and checked for completeness; all other images are photographs to train on.
What cannot be read, is too small or is missing is listed; --strict makes it an error.

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
    """Runs the verb.

    Raises InputError for sources that cannot be used, for an output that is there already, if no image is left, and with
    --strict for anything that would be listed; nothing is written then.
    """
    options = _parser().parse_intermixed_args(arguments)  # options may stand among the sources
    sources = [(source, TRAINING) for source in options.sources]
    sources += [(source, VALIDATION) for source in options.validation]
    output: Path = options.output
    if output.exists():
        raise InputError(f"{output} is there already: the last argument is the file to make, remove it or name another")
    if not sources:
        raise InputError(f"nothing to make {output} of: name folders or archives before it")
    if len({source.resolve() for source, _ in sources}) < len(sources):
        raise InputError("a source is given twice: name each once, to train or to validate on")
    preparation = Preparation(options.min_side, options.strict)
    with ExitStack() as archives:
        files = preparation.placed(sources, archives)
        write_store(output, files, preparation.decoded(files))
    preparation.report()
    for folder, images in sorted(Counter(map(folder_of, preparation.sizes)).items()):
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
        default=192,
        help="leave out training photographs with a side of fewer pixels (default: %(default)s, the side of the largest "
        "patch of the default recipe: 48 x 4)",
    )
    parser.add_argument("--strict", action="store_true", help="make nothing if anything would be listed")
    return parser


@dataclass
class Preparation:
    """What has been found so far: the sizes of the images that can be used, by key, and what is wrong with the others."""

    min_side: int
    strict: bool
    sizes: dict[str, Size] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def placed(self, sources: Sequence[tuple[Path, str]], archives: ExitStack) -> dict[str, ImageFile]:
        """The files by their keys. Raises InputError for a source without images."""
        files: dict[str, ImageFile] = {}
        again: list[str] = []
        passed_over: list[str] = []
        for source, photographs in sources:
            found = list(image_files(source, archives, passed_over.append))
            if not found:
                raise InputError(f"{source} holds no images: name a folder or an archive of photographs")
            for file in found:
                key = key_of(file.path, photographs)
                if key in files:
                    again.append(str(file.name))
                elif key is not None:
                    files[key] = file
        if again:
            self.problems.append(
                f"left out, as others of the same name and place were found before: {listed(again)}; "
                "rename the folder or archive if these are not the same images"
            )
        if passed_over:
            self.problems.append(f"passed over: {listed(passed_over)}")
        return files

    def decoded(self, files: dict[str, ImageFile]) -> Iterator[tuple[str, Pixels]]:
        """The images that can be used, by key, decoded several at a time.

        Raises InputError at the end if there are none, and with `strict` if anything was wrong.
        """
        reading = track(files.items(), "preparing", len(files), console=Console(stderr=True), transient=True)
        ahead = 2 * (os.cpu_count() or 1)
        with ThreadPoolExecutor() as decoders:
            while some := [(key, file.name, _content(file)) for key, file in islice(reading, ahead)]:
                for (key, name, _), image in zip(some, decoders.map(_image, some), strict=True):
                    if isinstance(image, InputError):
                        self.problems.append(f"left out: {image}")
                    elif key.startswith(f"{TRAINING}/") and min(image.shape[1:]) < self.min_side:
                        size = f"{image.shape[2]}x{image.shape[1]}"
                        self.problems.append(f"left out: {name} is {size} pixels, a side of less than {self.min_side}")
                    else:
                        self.sizes[key] = (image.shape[1], image.shape[2])
                        yield key, image
        self.problems += shortcomings(self.sizes)
        if not self.sizes or (self.strict and self.problems):
            self.report()
            raise InputError("nothing is made of these sources, for the reasons above")

    def report(self) -> None:
        """Lists what is wrong."""
        for problem in self.problems:
            print(f"lmf-sr: {problem}", file=sys.stderr)


def _content(file: ImageFile) -> bytes | InputError:
    try:
        return file.read()
    except (InputError, OSError) as error:
        return InputError(f"cannot read {file.name}: {error}")


def _image(task: tuple[str, Path, bytes | InputError]) -> Pixels | InputError:
    _, name, content = task
    try:
        return content if isinstance(content, InputError) else read_rgb8(name, content)
    except InputError as error:
        return error
