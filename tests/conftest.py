"""Shared fixtures. Shapes and types of every annotated function are checked at run time while the tests run."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from command_line import Outcome, Run
from jaxtyping import install_import_hook

# The numeric tower: an int is a float, as type checkers have it.
install_import_hook("lmf_sr", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

# On a busy machine, the time that an example takes means nothing.
hypothesis.settings.register_profile("lmf-sr", deadline=None)
hypothesis.settings.load_profile("lmf-sr")

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
QUIET = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; tests that need it skip, loudly, where it is absent."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip(f"SKIPPED FOR LACK OF REFERENCE DATA: no folder {path.name}/ beside the checkout")
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`lmf-sr ARGUMENTS` in `tmp_path`."""
    from lmf_sr.commands.main import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as exit_:  # argparse and Hydra end so after --help
            status = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small LM-LIIF with fresh weights."""
    from lmf_sr.building import build
    from lmf_sr.checkpoints import export

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    export(build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "lm-liif"), path)
    return path


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("SKIPPED FOR LACK OF A BROWSER: install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Any) -> Iterator[Any]:
    """Chromium with software GL."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *SOFTWARE_GL])
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def browser_without_gl(playwright: Any) -> Iterator[Any]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, "--disable-gpu", "--disable-3d-apis"])
    yield browser
    browser.close()
