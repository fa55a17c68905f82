"""Every example runs as it stands, in reduced form; the notebook's cells run in order."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def run(name: str, *arguments: object, folder: Path) -> str:
    """Runs an example in a folder; returns what it printed."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where lmf-sr lies
    environment = {**os.environ, "PATH": beside, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        coarse = np.random.default_rng(seed).integers(256, size=(18, 18, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((144, 144), Image.Resampling.BICUBIC).save(folder / f"{seed}.png")
    return folder


def test_upscale_folder(photos: Path, tmp_path: Path) -> None:
    (photos / "notes.txt").write_text("no picture")
    printed = run("upscale_folder.py", photos, "large", "--scale", 1.5, folder=tmp_path)
    assert printed.count("written: ") == 3
    assert printed.count("passed over: ") == 1
    assert Image.open(tmp_path / "large" / "0.png").size == (216, 216)


@pytest.mark.parametrize("name", ["zoom.gif", "zoom.mp4"])
def test_zoom_video(tmp_path: Path, name: str) -> None:
    Image.fromarray(np.random.default_rng(0).integers(256, size=(24, 36, 3), dtype=np.uint8)).save(
        tmp_path / "small.png"
    )
    if name == "zoom.mp4":
        from clips import contents  # which skips where PyAV is not installed

    run("zoom_video.py", name, "--picture", "small.png", "--frames", 4, "--side", 31, folder=tmp_path)
    if name == "zoom.mp4":
        frames = contents(tmp_path / name).rgb
        assert (frames[0].shape, len(frames)) == ((32, 32, 3), 4)
    else:
        video = Image.open(tmp_path / name)
        assert (video.size, video.n_frames) == ((32, 32), 4)  # type: ignore[attr-defined]


def test_train_own(photos: Path, tmp_path: Path) -> None:
    run("train_own.py", photos, "model", "--steps", 2, "--held-out", 1, folder=tmp_path)
    assert Image.open(tmp_path / "model" / "0_x2.png").size == (288, 288)


@pytest.mark.slow
def test_sweep_plot(tmp_path: Path) -> None:
    run("sweep_plot.py", "sweep", "--widths", 4, 8, "--steps", 2, folder=tmp_path)
    assert len(list(tmp_path.glob("sweep/*/result.json"))) == 2
    assert Image.open(tmp_path / "sweep" / "width.png").size[0] > 300


def test_add_method(tmp_path: Path) -> None:
    printed = run("add_method.py", "--steps", 2, folder=tmp_path)
    assert "step 1: loss " in printed
    assert " dB at x2" in printed


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads((EXAMPLES / "first_steps.ipynb").read_text())["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["image"].size == (128, 160)  # type: ignore[attr-defined]
