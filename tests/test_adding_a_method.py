"""`docs/adding-a-method.md`, followed to the letter in a copy of the package."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOC = (ROOT / "docs" / "adding-a-method.md").read_text()
FILES = dict(re.findall(r"^`([\w/.-]+)`\n\n```\w+\n(.*?)^```", DOC, flags=re.DOTALL | re.MULTILINE))
SCRIPT = re.findall(r"^```python\n(.*?)^```", DOC, flags=re.DOTALL | re.MULTILINE)[-1]
COMMANDS = re.findall(r"^```sh\n(.*?)^```", DOC, flags=re.DOTALL | re.MULTILINE)[0].splitlines()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and its configuration, with the page's files added."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in ("src", "conf"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for path, content in FILES.items():
        assert not (copy / path).exists(), f"{path} is no new file"
        (copy / path).write_text(content)
    return copy


def run(command: list[str], checkout: Path) -> str:
    """Runs with the copy in place of the installed package; returns what was printed."""
    found = {**os.environ, "PYTHONPATH": str(checkout / "src"), "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=checkout, env=found, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_two_modules_and_two_yamls() -> None:
    assert sorted(Path(path).suffix for path in FILES) == [".py", ".py", ".yaml", ".yaml"]


def test_both_train_a_step_and_render(checkout: Path) -> None:
    assert run([sys.executable, "-c", SCRIPT], checkout) == "poly (2, 3, 40, 60)\nlm-poly (2, 3, 40, 60)\n"


def test_the_factored_conversion_is_its_plain_form(checkout: Path) -> None:
    """The page's promises about any conversion hold, under the shape checks of the tests."""
    for name in ("test_plain.py", "conftest.py", "command_line.py"):
        shutil.copy(ROOT / "tests" / name, checkout / name)
    methods = 'METHODS = ["poly", "lm-poly"]'
    test = re.sub(r"^METHODS = .*$", methods, (checkout / "test_plain.py").read_text(), flags=re.MULTILINE)
    (checkout / "test_plain.py").write_text(test)
    run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_plain.py"], checkout)


@pytest.mark.slow
def test_its_commands(checkout: Path) -> None:
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        run([str(Path(sys.executable).with_name(program)), *arguments], checkout)
    assert (checkout / "poly" / "last.ckpt").is_file()
