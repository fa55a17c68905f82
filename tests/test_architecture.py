"""docs/architecture.md tells the truth about which room imports which."""

import re
from pathlib import Path

import pytest

import lmf_sr

PACKAGE = Path(lmf_sr.__file__).parent
PAGE = PACKAGE.parents[1] / "docs" / "architecture.md"
ROWS = re.findall(r"^\| (`[^|]*) \| [^|]* \| ([^|]*)\|$", PAGE.read_text(), re.MULTILINE)
IMPORTS = {
    room: set(others.strip().split(", ")) - {""}
    for rooms, others in ROWS
    for room in re.findall(r"`(\w+)(?:/|\.py)`", rooms)
    if room != "conf"
}
FREE = {"errors", "atomic"}  # which any room may import


def modules(room: str) -> list[Path]:
    return [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").is_file() else sorted((PACKAGE / room).rglob("*.py"))


def test_every_room_is_on_the_page() -> None:
    there = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert there - {"__init__"} == IMPORTS.keys()


def imported(room: str) -> set[str]:
    """The other rooms that a room imports."""
    source = "\n".join(path.read_text() for path in modules(room))
    rooms = re.findall(r"^\s*(?:from|import) lmf_sr\.(\w+)", source, re.MULTILINE)
    rooms += re.findall(r"^\s*from lmf_sr import (\w+)", source, re.MULTILINE)
    return set(rooms) - {room, *FREE}


@pytest.mark.parametrize("room", sorted(IMPORTS.keys() - {"commands"}))
def test_a_room_imports_the_rooms_in_its_row(room: str) -> None:
    """It imports no other room, and the row names no room that it has ceased to import."""
    assert imported(room) == IMPORTS[room]


def test_the_commands_import_everything() -> None:
    assert IMPORTS["commands"] == {"everything"}


def test_the_files_that_the_page_names_are_there() -> None:
    root, prose = PAGE.parents[1], re.sub("```.*?```", "", PAGE.read_text(), flags=re.DOTALL)
    marked = " ".join(re.findall(r"`([^`]+)`", prose))
    named = set(re.findall(r"[\w./-]+\.(?:py|[ch])\b", marked))
    there = [path.as_posix() for folder in ("src", "tests", "examples") for path in (root / folder).rglob("*.*")]
    assert len(named) > 30
    assert not [name for name in named if not any(path.endswith(f"/{name}") for path in there)]
