"""Every verb takes a shipped model by name, from any folder, and finds its calibration."""

import shutil
from pathlib import Path

import pytest
import torch
from command_line import Run

from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.images import Picture, read_picture, write_picture
from lmf_sr.results.records import read_record

SMALL = "edsr-baseline-lm-liif n_resblocks=1 n_feats=8"  # how tables name the model that stands in for what ships
PHOTOS = ("data=folder", "data.root=photos", "data.held_out=1", "device=cpu")


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose only model is a small one, under the default name."""
    folder = tmp_path / "installed" / "weights"
    folder.mkdir(parents=True)
    shutil.copy(checkpoint, folder / f"{DEFAULT_MODEL}.safetensors")
    monkeypatch.setattr("lmf_sr.checkpoints.WEIGHTS", folder)
    return folder


@pytest.fixture(autouse=True)
def photos(tmp_path: Path) -> None:
    for seed, name in enumerate("abc"):
        rgb = torch.rand(3, 48, 56, generator=torch.Generator().manual_seed(seed))
        write_picture(tmp_path / "photos" / f"{name}.png", Picture(rgb))


@pytest.mark.parametrize("named", [(), ("--model", DEFAULT_MODEL)])
def test_upscale(run: Run, tmp_path: Path, named: tuple[str, ...]) -> None:
    assert run("upscale", "photos/a.png", "--scale", "2.5", *named).status == 0
    lr, written = (read_picture(tmp_path / "photos" / name).rgb for name in ("a.png", "a_x2.5.png"))
    assert (written - load(DEFAULT_MODEL).encode(lr).render(120, 140)[0]).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("named", [(), (f"ckpt={DEFAULT_MODEL}",)])
def test_calibrate_leaves_what_ships_and_says_how_to_use_what_it_wrote(
    run: Run, tmp_path: Path, weights: Path, named: tuple[str, ...]
) -> None:
    assert "levels" not in run("inspect", "photos/a.png", "--scale", "8").out
    calibrated = run("calibrate", *named, *PHOTOS, "targets=[8]", "decode_scales=[1,4]")
    assert calibrated.status == 0, calibrated.err
    assert not list(weights.glob("*.json"))
    (table,) = tmp_path.glob(f"outputs/calibrate/*/{DEFAULT_MODEL}.cmsr.json")
    assert f"cmsr.table={table}" in calibrated.out.replace("\n", "")
    options = (f"cmsr.table={table}", "cmsr.mse_threshold=1e-4", "scale=8", "protocol=benchmark-rgb")
    evaluated = run("evaluate", *named, *PHOTOS, *options)
    assert evaluated.status == 0, evaluated.err
    assert "levels" in run("inspect", "photos/a.png", "--scale", "8", "--table", str(table)).out


@pytest.mark.parametrize("verb", ["evaluate", "profile"])
def test_options_that_contradict_it_are_refused(run: Run, verb: str) -> None:
    outcome = run(verb, f"ckpt={DEFAULT_MODEL}", "encoder.n_feats=16", "scale=2")
    assert f"{DEFAULT_MODEL} holds a model with encoder n_feats 8, not 16: leave encoder.n_feats out" in outcome.error
    if verb == "evaluate":
        assert "holds a model with encoder n_feats 8" in run(verb, "encoder.n_feats=16", "scale=2").error


def test_profile(run: Run, tmp_path: Path) -> None:
    assert run("profile", f"ckpt={DEFAULT_MODEL}", "scale=2", "lr_size=[8,8]", "latency=false").status == 0
    (record,) = tmp_path.glob("outputs/profile/*/result.json")
    assert list(read_record(record).results) == [SMALL]


def test_compare_with_a_checkpoint_of_the_same_kind(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    shutil.copy(checkpoint, tmp_path / "mine.safetensors")
    models = f"models=[{DEFAULT_MODEL},mine.safetensors]"
    outcome = run("compare", models, *PHOTOS, "scale=2", "lr_size=[8,8]", "crop.images=0", "protocol=benchmark-rgb")
    assert outcome.status == 0, outcome.err
    (record,) = tmp_path.glob("outputs/compare/*/result.json")
    assert list(read_record(record).results) == [f"{SMALL} (1 {DEFAULT_MODEL})", f"{SMALL} (2 mine)"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("upscale", "photos/a.png", "--scale", "2", "--model", "edsr-lte"),
        ("inspect", "photos/a.png", "--scale", "8", "--model", "edsr-lte"),
        ("evaluate", "ckpt=edsr-lte"),
        ("calibrate", "ckpt=edsr-lte"),
        ("profile", "ckpt=edsr-lte"),
        ("compare", "models=[edsr-lte]"),
        ("evaluate", "encoder=edsr", "decoder=lte"),
    ],
)
def test_unknown_names_list_what_ships(run: Run, arguments: tuple[str, ...]) -> None:
    error = run(*arguments).error
    assert "edsr-lte" in error
    assert f"(shipped: {DEFAULT_MODEL})" in error
