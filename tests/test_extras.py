"""Upscaling and evaluating need no extra, and a verb that does need one says so in a sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
EXTRA_MODULES = (
    *("av", "matplotlib", "skimage", "polars", "starlette", "uvicorn", "onnx", "onnxruntime", "onnxscript"),
    *("wandb_workspaces", "hydra_plugins.hydra_joblib_launcher", "mkdocs", "playwright", "beartype"),
)
REQUIRED = {  # the framework's own, and what pictures need
    *("torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "fvcore", "wandb", "pillow"),
    *("numpy", "pyyaml", "safetensors", "jaxtyping", "rich", "tifffile", "jinja2", "tabulate"),
}
WITHOUT_EXTRAS = f"""
import importlib.metadata, sys
sys.modules.update(dict.fromkeys({EXTRA_MODULES}))
known = importlib.metadata.distribution
def distribution(name):
    if name in {EXTRA_MODULES}:  # TorchMetrics looks for matplotlib so
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)
importlib.metadata.distribution = distribution
"""


def python(code: str, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Python without the modules of extras."""
    environment = {**os.environ, "WANDB_MODE": "offline"}
    command = [sys.executable, "-c", WITHOUT_EXTRAS + code, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def lmf_sr(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return python("from lmf_sr.commands.main import main; sys.exit(main(sys.argv[1:]))", folder, *arguments)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(2):
        coarse = np.random.default_rng(seed).integers(256, size=(12, 12, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{seed}.png")
    return folder


def test_the_library_upscales_and_evaluates(photos: Path, checkpoint: Path) -> None:
    done = python(
        "import lmf_sr; model = lmf_sr.load(sys.argv[1]); "
        "print(lmf_sr.upscale('0.png', scale=1.5, model=model).size); "
        "print(lmf_sr.evaluate(model, '.', scale=2))",
        photos,
        checkpoint,
    )
    assert done.returncode == 0, done.stderr
    assert "(144, 144)" in done.stdout
    assert "psnr" in done.stdout


def test_the_verbs_upscale_train_and_evaluate(photos: Path, tmp_path: Path, checkpoint: Path) -> None:
    for arguments in (
        ("upscale", "photos", "--scale", "1.5", "--model", checkpoint),
        ("evaluate", f"ckpt={checkpoint}", "data=pictures", "data.root=photos", "scale=2"),
        (
            *("train", "data=folder", "data.root=photos", "data.held_out=1", "encoder=edsr-tiny", "logger=[]"),
            *("trainer.max_steps=1", "batch_size=1", "sampling.patch=8", "sampling.queries=64", "scale=2"),
            "hydra.run.dir=trained",
        ),
    ):
        done = lmf_sr(tmp_path, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    assert Image.open(tmp_path / "photos_x1.5" / "1.png").size == (144, 144)
    assert (tmp_path / "trained" / "last.ckpt").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compare", "models=[bicubic]", "data=pictures", "data.root=photos"], "lmf-sr compare needs matplotlib"),
        (["inspect", "photos/0.png", "--scale", "8"], "lmf-sr inspect needs matplotlib"),
        (["report", "photos"], "lmf-sr report needs matplotlib"),
        (["view", "photos"], "lmf-sr view needs "),
        (["dashboard", "project", "--dry-run"], "lmf-sr dashboard needs wandb_workspaces"),
        (["train", "trainer.max_steps=1"], "the photographs that ship in scikit-image are not installed"),
        (["export", "rlfn-lm-liif", "model.onnx"], "ONNX needs onnx"),
    ],
)
def test_what_needs_an_extra_says_so(photos: Path, tmp_path: Path, arguments: list[str], told: str) -> None:
    done = lmf_sr(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"lmf-sr: error: {told}")
    extra = re.search(r"pip install 'lmf-sr\[(\w+)\]'", line)
    assert extra is not None
    assert f"\n{extra[1]} = [" in (ROOT / "pyproject.toml").read_text()


def names(requirements: str) -> set[str]:
    return set(re.findall(r'"([a-z0-9-]+)(?:\[[^]]*\])?[><=]', requirements))


def test_no_other_package_is_required() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert names(text.partition("\ndependencies = [")[2].partition("\n]")[0]) == REQUIRED


def test_the_developers_have_every_extra() -> None:
    """The extras for clusters and GPUs are left out."""
    text = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]\n")[2].partition("\n\n")[0]
    extras = set(re.findall(r"^(\w+) =", text, re.MULTILINE))
    taken = re.search(r'^dev = \["lmf-sr\[([^]]*)\]"', text, re.MULTILINE)
    assert taken is not None
    assert extras - set(taken[1].split(",")) == {"dev", "gpu", "ray"}


def test_the_library_and_a_verb_s_help_load_nothing_slow() -> None:
    code = "print(sorted({'torch', 'lightning', 'matplotlib', 'wandb', 'PIL'} & sys.modules.keys()))"
    for first in ("import lmf_sr; lmf_sr.__version__", "from lmf_sr.commands.main import main; main(['--help'])"):
        done = subprocess.run([sys.executable, "-c", f"import sys; {first}; {code}"], capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "[]", done.stderr
