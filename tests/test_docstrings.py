"""The examples in docstrings give what they say they give."""

import ast
import doctest
from pathlib import Path

import pytest

import lmf_sr

PACKAGE = Path(lmf_sr.__file__).parent


def examples() -> list[doctest.DocTest]:
    """The docstrings with examples. They are read from the source, because doctest passes over decorated functions, and while
    tests run jaxtyping decorates them all."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                continue
            text = ast.get_docstring(node)
            if text and ">>>" in text:
                name = f"{path.relative_to(PACKAGE)}:{getattr(node, 'name', 'module')}"
                found.append(doctest.DocTestParser().get_doctest(text, {}, name, str(path), node.body[0].lineno))
    return found


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_an_example(example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=printed.append)
    assert result.failed == 0, "".join(printed)
    assert result.attempted > 0
