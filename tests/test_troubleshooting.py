"""docs/troubleshooting.md quotes what the program says."""

import ast
import re
from pathlib import Path

import pytest

import lmf_sr

PACKAGE = Path(lmf_sr.__file__).parent
PAGE = PACKAGE.parents[1] / "docs" / "troubleshooting.md"
QUOTED = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", PAGE.read_text(), re.MULTILINE)
HEADINGS = {"it says", "---"}


def said() -> set[str]:
    """All texts in the code, with … where a value is filled in."""
    texts = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                texts.add("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return texts


SAID = said()


def test_there_are_quotations() -> None:
    assert len(set(QUOTED) - HEADINGS) > 40


@pytest.mark.parametrize("quoted", [row for row in QUOTED if row not in HEADINGS])
def test_a_sentence_is_in_the_code(quoted: str) -> None:
    words = [re.escape(part.strip()) for part in quoted.split("…")]
    assert any(re.search(".*".join(words), text) for text in SAID), "the program does not say so any more"
