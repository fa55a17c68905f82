"""The plan of an upscaling: the file that each picture or clip becomes."""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from lmf_sr.errors import InputError
from lmf_sr.images import FORMATS, IMAGE_SUFFIXES, UNREAD_SUFFIXES, list_images
from lmf_sr.images.animation import is_animated
from lmf_sr.video import VIDEO_SUFFIXES, WRITTEN, is_clip

SHOWN = 3  # names of many


class Existing(Enum):
    """The treatment of outputs that are there already."""

    REFUSE = "refuse"
    REPLACE = "replace"
    SKIP = "skip"


class Task(NamedTuple):
    source: Path
    output: Path


class Plan(NamedTuple):
    """The tasks to do, the reasons why others cannot be done, and the outputs that are there and stay."""

    tasks: list[Task]
    failures: list[InputError]
    kept: list[Path]


def plan(
    pictures: Sequence[Path],
    output: Path | None,
    written_format: str | None,
    label: str,
    existing: Existing = Existing.REFUSE,
) -> Plan:
    """Decides which picture becomes which file.

    Without `output`, a file goes beside itself with `label` in its name, and a folder's pictures go to a folder beside it.
    A picture that would overwrite an input, or the output of another, is a failure, as is a folder without pictures.

    Raises:
        InputError: one file is named for several pictures; or outputs are there already and `existing` is to refuse them.
    """
    found, failures = _sources(pictures, output, written_format, label)
    inputs = {task.source.resolve() for task in found}
    taken: dict[Path, Path] = {}
    tasks: list[Task] = []
    for task in found:
        target = task.output.resolve()
        if target in inputs:
            failures.append(InputError(f"{task.output} would overwrite an input: name another --output"))
        elif target in taken:
            both = f"{taken[target]} and {task.source} would both become {task.output}"
            failures.append(InputError(f"{both}: only the first is done; upscale the other apart"))
        else:
            taken[target] = task.source
            tasks.append(task)
    kept = [] if existing is Existing.REPLACE else [task.output for task in tasks if _is_there(task.output)]
    if kept and existing is Existing.REFUSE:
        names = ", ".join(map(str, kept[:SHOWN])) + (f" and {len(kept) - SHOWN} more" if len(kept) > SHOWN else "")
        raise InputError(
            f"{names} {'is' if len(kept) == 1 else 'are'} there already: --overwrite replaces, --skip-existing keeps what "
            "is there and makes the rest"
        )
    return Plan([task for task in tasks if task.output not in kept], failures, kept)


def _sources(
    pictures: Sequence[Path], output: Path | None, written_format: str | None, label: str
) -> tuple[list[Task], list[InputError]]:
    """The tasks, and an error for each folder that cannot be read or holds no pictures."""
    if output is not None and _names_a_picture(output) and not _is_folder(output):
        if len(pictures) > 1 or _is_folder(pictures[0]):
            raise InputError(f"--output {output} is one file, but there may be several pictures: name a folder")
        return [Task(pictures[0], output)], []
    tasks: list[Task] = []
    failures: list[InputError] = []
    for given in pictures:
        if _is_folder(given):
            # The folder as it was given, even if it is a link; . and .. have names of their own only once they are resolved.
            named = given.resolve() if given.name in ("", "..") else given
            folder = output or named.with_name(f"{named.name}_{label}")
            try:
                tasks += [
                    Task(file, folder / _name(file, "", written_format)) for file in list_images(given, VIDEO_SUFFIXES)
                ]
            except InputError as error:
                failures.append(error)
        else:
            folder, mark = (output, "") if output else (given.parent, f"_{label}")
            tasks.append(Task(given, folder / _name(given, mark, written_format)))
    return tasks, failures


def _names_a_picture(path: Path) -> bool:
    """Whether the suffix is that of any format for pictures or clips, written by this program or not."""
    return path.suffix.lower() in {*IMAGE_SUFFIXES, *UNREAD_SUFFIXES, *VIDEO_SUFFIXES, *Image.registered_extensions()}


def _name(file: Path, mark: str, written_format: str | None) -> str:
    """The output's name. A format is for pictures or for clips, so the files of the other kind keep theirs."""
    moving = file.suffix.lower() == ".gif" and is_animated(file)  # one that stands still has more colours in a PNG
    kept, others = (WRITTEN, ".mp4") if is_clip(file) else ((*FORMATS, ".gif") if moving else FORMATS, ".png")
    suffix = file.suffix if file.suffix.lower() in kept else others
    wanted = f".{written_format}"
    if written_format and (wanted in WRITTEN if is_clip(file) else wanted in FORMATS or moving):
        suffix = wanted
    return f"{file.stem}{mark}{suffix}"


def _is_folder(path: Path) -> bool:
    """Whether it is a folder; False also where that cannot be seen, because reading it will tell the reason."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_there(path: Path) -> bool:
    """Whether it exists; False also where that cannot be seen, because writing it will tell the reason."""
    try:
        return path.exists()
    except OSError:
        return False
