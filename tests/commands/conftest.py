"""The command line, run in an empty folder."""

from pathlib import Path

import pytest
import torch
from command_line import Outcome, Run

from lmf_sr.building import build
from lmf_sr.checkpoints import export
from lmf_sr.commands.main import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`lmf-sr ARGUMENTS` in `tmp_path`."""
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
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    export(build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "lm-liif"), path)
    return path
