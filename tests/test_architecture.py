"""docs/architecture.md tells the truth about which room imports which."""

import re
from pathlib import Path

import pytest

import lmf_sr

PACKAGE = Path(lmf_sr.__file__).parent
PAGE = PACKAGE.parents[1] / "docs" / "architecture.md"
ROWS = re.findall(r"^\| (`[^|]*) \| [^|]* \| ([^|]*)\|$", PAGE.read_text(), re.MULTILINE)
MAY_IMPORT = {
    room: set(may.strip().split(", ")) - {""}
    for rooms, may in ROWS
    for room in re.findall(r"`(\w+)(?:/|\.py)`", rooms)
    if room != "conf"
}


def modules(room: str) -> list[Path]:
    return [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").is_file() else sorted((PACKAGE / room).rglob("*.py"))


def test_every_room_is_on_the_page() -> None:
    there = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert there - {"__init__"} == MAY_IMPORT.keys()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_the_page_says(room: str) -> None:
    source = "\n".join(path.read_text() for path in modules(room))
    imported = set(re.findall(r"^\s*(?:from|import) lmf_sr\.(\w+)", source, re.MULTILINE))
    imported |= set(re.findall(r"^\s*from lmf_sr import (\w+)", source, re.MULTILINE))
    allowed = MAY_IMPORT[room]
    assert allowed == {"everything"} or imported - {room, "errors", "atomic"} <= allowed


def test_the_files_that_the_page_names_are_there() -> None:
    root, prose = PAGE.parents[1], re.sub("```.*?```", "", PAGE.read_text(), flags=re.DOTALL)
    marked = " ".join(re.findall(r"`([^`]+)`", prose))
    named = set(re.findall(r"[\w./-]+\.(?:py|[ch])\b", marked))
    there = [path.as_posix() for folder in ("src", "tests", "examples") for path in (root / folder).rglob("*.*")]
    assert len(named) > 30
    assert not [name for name in named if not any(path.endswith(f"/{name}") for path in there)]
