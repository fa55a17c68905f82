"""Names of folders: a job's says what varies in its sweep, and a sweep's what its command was.

They are safe, readable, unique and repeatable. A name can be typed back as part of a path, because shells and Hydra take all
its characters as they are.
"""

import hashlib
import re
from collections.abc import Sequence

from hydra.core.override_parser.types import Override

LONGEST = 100  # characters, of the 255 that file systems allow
ONLY_JOB = "single"
NOT_OF_THE_SWEEP = ("hydra", "launch", "sweep")  # settings that say where and how it runs


def folder_name(text: str) -> str:
    """The text itself if it can name a folder; else its readable part, with a hash that tells it from all others.

    A sweep in which nothing varies has one job, whose text is empty.
    """
    if not text:
        return ONLY_JOB
    readable = _readable(text)
    if readable == text and len(text) <= LONGEST:
        return text
    return f"{readable[:LONGEST]}-{_hash(text)}".lstrip("-")


def sweep_name(overrides: Sequence[Override]) -> str:
    """The name of a sweep, the same whatever the order of its arguments, the launcher and Hydra's own options."""
    given = [o for o in overrides if o.key_or_group.partition(".")[0] not in NOT_OF_THE_SWEEP]
    shown = [o for o in given if o.is_sweep_override()] or given
    readable = _readable("+".join(str(o.input_line) for o in shown).replace("=", "-"))
    return f"{readable[: LONGEST // 2]}-{_hash(' '.join(sorted(str(o.input_line) for o in given)))}".lstrip("-")


def _readable(text: str) -> str:
    return re.sub(r"[^\w.+@-]+", "_", text, flags=re.ASCII).strip("._-")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
