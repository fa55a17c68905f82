"""The work of `lmf-sr prepare`: photographs and archives, as they were downloaded, become a store (`store.py`).

sources --archives.image_files, key_of--> files by key --decoded, several at a time--> images that can be used --> store
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from lmf_sr.data.archives import ImageFile, image_files, join_names, key_of, shortcomings
from lmf_sr.data.store import TRAINING, VALIDATION, Pixels, folder_of, write_store
from lmf_sr.errors import InputError
from lmf_sr.geometry import Size
from lmf_sr.images import read_rgb8

MIN_SIDE = 192  # pixels: the side of the largest patch of the default recipe, 48 x 4


def prepare(
    sources: Sequence[Path],
    output: Path,
    validation: Sequence[Path] = (),
    min_side: int = MIN_SIDE,
    strict: bool = False,
    report: Callable[[str], None] = lambda problem: None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, int]:
    """Makes a store of folders and archives, and returns how many images each folder of it holds.

    Args:
        sources: folders and archives of photographs to train on, of DIV2K and of benchmark sets.
        output: the file to make.
        validation: folders and archives of photographs to validate on only.
        min_side: pixels; training photographs with a shorter side are left out.
        strict: makes an error of anything that would be reported.
        report: takes each sentence on an image that cannot be used or is missing.
        advance: takes the number of files that are done, and the number of all.

    Raises:
        InputError: sources that cannot be used, an output that is there already, or no image left; with `strict`, anything
            that is reported. Nothing is written then.
    """
    if output.exists():
        raise InputError(f"{output} is there already: remove it, or name another file to make")
    placed = [(source, TRAINING) for source in sources] + [(source, VALIDATION) for source in validation]
    if not placed:
        raise InputError(f"nothing to make {output} of: name folders or archives before it")
    if len({source.resolve() for source, _ in placed}) < len(placed):
        raise InputError("a source is given twice: name each once, to train or to validate on")
    preparation = _Preparation(min_side)
    with ExitStack() as archives:
        files = preparation.files_by_key(placed, archives)
        try:
            write_store(output, files, preparation.usable_images(files, strict, advance))
        finally:
            for problem in preparation.problems:
                report(problem)
    return dict(sorted(Counter(map(folder_of, preparation.sizes)).items()))


@dataclass
class _Preparation:
    """The findings so far: the sizes of the usable images, by key, and the problems of the others."""

    min_side: int
    sizes: dict[str, Size] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def files_by_key(self, sources: Sequence[tuple[Path, str]], archives: ExitStack) -> dict[str, ImageFile]:
        """The files by their keys in the store. Raises InputError for a source without images."""
        files: dict[str, ImageFile] = {}
        again: list[str] = []
        passed_over: list[str] = []
        for source, part in sources:
            images = list(image_files(source, archives, passed_over.append))
            if not images:
                raise InputError(f"{source} holds no images: name a folder or an archive of photographs")
            for image in images:
                key = key_of(image.path, part)
                if key in files:
                    again.append(str(image.name))
                elif key is not None:
                    files[key] = image
        if again:
            self.problems.append(
                f"left out, because others of the same name and place were found before: {join_names(again)}; "
                "rename the folder or archive if these are not the same images"
            )
        if passed_over:
            self.problems.append(f"passed over: {join_names(passed_over)}")
        return files

    def usable_images(
        self, files: Mapping[str, ImageFile], strict: bool, advance: Callable[[int, int], None]
    ) -> Iterator[tuple[str, Pixels]]:
        """The images that can be used, by key, decoded several at a time.

        Raises InputError at the end if there are none, and with `strict` if anything was wrong.
        """
        waiting = iter(files.items())
        done, ahead = 0, 2 * (os.cpu_count() or 1)
        with ThreadPoolExecutor() as decoders:
            while batch := [(key, file.name, _content(file)) for key, file in islice(waiting, ahead)]:
                for (key, name, _), image in zip(batch, decoders.map(_image, batch), strict=True):
                    if isinstance(image, InputError):
                        self.problems.append(f"left out: {image}")
                    elif key.startswith(f"{TRAINING}/") and min(image.shape[1:]) < self.min_side:
                        size = f"{image.shape[2]}x{image.shape[1]}"
                        self.problems.append(f"left out: {name} is {size} pixels, a side of less than {self.min_side}")
                    else:
                        self.sizes[key] = (image.shape[1], image.shape[2])
                        yield key, image
                    done += 1
                    advance(done, len(files))
        self.problems += shortcomings(self.sizes)
        if not self.sizes or (strict and self.problems):
            raise InputError("nothing is made of these sources, for the reasons above")


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
