"""Writes a benchmark's results: `results/NAME.json`, with when, how and where it was measured, and NAME.md for people."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lmf_sr.atomic import write_text
from lmf_sr.results.records import environment

RESULTS = Path(__file__).parent / "results"


def begun(**how: Any) -> dict[str, Any]:
    """The head of a record: the time, what was run, and the machine."""
    return {"date": datetime.now(timezone.utc).isoformat(timespec="seconds"), **how, "environment": environment()}


def write(record: dict[str, Any], report: str, path: Path) -> None:
    """Writes both files; `path` is that of either."""
    for suffix, text in ((".json", json.dumps(record, indent=1)), (".md", report)):
        write_text(path.with_suffix(suffix), text)
