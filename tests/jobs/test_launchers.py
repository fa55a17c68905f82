"""Launchers: two real jobs each, in processes of their own, and the records they leave."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from command_line import Run

from lmf_sr.images import Picture, write_picture
from lmf_sr.results.records import read_record

JOBS = ("evaluate", "-m", "ckpt=bicubic", "data=pictures", "data.root=photos", "scale=2,3", "sweep=both")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_two_jobs(tmp_path: Path, launcher: str) -> None:
    extra = launcher.partition("_")[0]
    if find_spec(f"hydra_plugins.hydra_{extra}_launcher") is None:
        pytest.skip(f"hydra-{extra}-launcher is not installed: pip install 'lmf-sr[{extra}]'")
    (tmp_path / "photos").mkdir()
    write_picture(tmp_path / "photos" / "a.png", Picture(torch.rand(3, 48, 60)))
    done = subprocess.run(
        [sys.executable, "-m", "lmf_sr.commands.main", *JOBS, f"launch={launcher}"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "the sweep is done" in done.stdout
    records = [read_record(path) for path in sorted(tmp_path.glob("multirun/evaluate/both/*/result.json"))]
    assert [(record.name, record.sweep, record.status) for record in records] == [
        ("scale-2", "both", "done"),
        ("scale-3", "both", "done"),
    ]
    assert all(record.results["bicubic"][0].metrics["psnr"] > 0 for record in records)


@pytest.mark.slow
def test_a_job_that_fails_elsewhere_is_named_here(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="pip install 'lmf-sr[joblib]'")
    (tmp_path / "photos").mkdir()
    write_picture(tmp_path / "photos" / "a.png", Picture(torch.rand(3, 48, 60)))
    arguments = [*JOBS[:-2], "scale=2,0.5", "launch=joblib"]
    done = subprocess.run(
        [sys.executable, "-m", "lmf_sr.commands.main", *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "lmf-sr: scale-0.5: scale 0.5 makes no picture larger" in done.stderr
    assert "lmf-sr: error: 1 of the sweep's jobs failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_launcher_that_is_not_installed_says_how(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("hydra_plugins.hydra_ray_launcher") is not None:
        pytest.skip("it is installed here")
    outcome = run(*JOBS, "launch=ray")
    assert outcome.status == 2
    assert outcome.error == "lmf-sr: error: launch=ray is an extra: pip install 'lmf-sr[ray]'"
