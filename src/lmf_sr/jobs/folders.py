"""Names of folders: of a job by what varies in its sweep, of a sweep by its command. Safe, readable, unique, repeatable.

A name can be typed back as part of a path: shells and Hydra take all its characters as they are.
"""

import hashlib
import re
from collections.abc import Sequence

from hydra.core.override_parser.types import Override

LONGEST = 100  # characters, of the 255 that file systems allow
ONLY_JOB = "single"
NOT_OF_THE_SWEEP = ("hydra", "launch", "sweep")  # where and how it runs


def folder_name(text: str) -> str:
    """The text itself where it can name a folder; else its readable part, and a hash that tells it from all others.

    A sweep in which nothing varies has one job, whose text is empty.
    """
    if not text:
        return ONLY_JOB
    readable = _readable(text)
    if readable == text and len(text) <= LONGEST:
        return text
    return f"{readable[:LONGEST]}-{_hash(text)}".lstrip("-")


def sweep_name(overrides: Sequence[Override]) -> str:
    """One name for one command, whatever the order of its arguments, the launcher and Hydra's own options."""
    given = [o for o in overrides if o.key_or_group.partition(".")[0] not in NOT_OF_THE_SWEEP]
    shown = [o for o in given if o.is_sweep_override()] or given
    readable = _readable("+".join(str(o.input_line) for o in shown).replace("=", "-"))
    return f"{readable[: LONGEST // 2]}-{_hash(' '.join(sorted(str(o.input_line) for o in given)))}".lstrip("-")


def _readable(text: str) -> str:
    return re.sub(r"[^\w.+@-]+", "_", text, flags=re.ASCII).strip("._-")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
