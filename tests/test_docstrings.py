"""The examples in docstrings give what they say they give."""

import ast
import doctest
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import lmf_sr

PACKAGE = Path(lmf_sr.__file__).parent


def examples() -> list[Any]:
    """The module and the text of each docstring with examples, read from the source: doctest's own search passes over
    decorated functions, and while tests run jaxtyping decorates them all."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(["lmf_sr", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if ">>>" in text:
                    found.append(pytest.param(module, text, id=f"{module}.{getattr(node, 'name', '__doc__')}"))
    return found


@pytest.mark.parametrize(("module", "text"), examples())
def test_an_example(module: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(text, vars(import_module(module)).copy(), module, None, 0)
    printed: list[str] = []
    assert doctest.DocTestRunner().run(test, out=printed.append).failed == 0, "".join(printed)
