"""`lmf-sr train`: what a run leaves, resuming it, and what stops it."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Run
from PIL import Image
from wandb_file import OfflineRun

from lmf_sr.checkpoints import load
from lmf_sr.images import read_picture

TINY = (
    *("encoder.n_resblocks=1", "encoder.n_feats=8", "decoder.depth=2", "decoder.width=4", "decoder.code_dim=4"),
    *("data=folder", "data.root=photos", "data.held_out=1", "sampling.patch=8", "sampling.queries=32"),
    *("batch_size=4", "workers=0", "scale=2", "lr_size=[8,8]", "trainer.max_steps=4", "trainer.accelerator=cpu"),
)
CSV_ONLY = (*TINY, "logger=csv")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.fromarray(pixels.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path / "photos"


def same_weights(first: Path, second: Path, **tolerance: float) -> bool:
    pairs = zip(load(first).parameters(), load(second).parameters(), strict=True)
    return all(torch.allclose(a, b, **tolerance) if tolerance else torch.equal(a, b) for a, b in pairs)


def lmf_sr(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lmf_sr.commands.main", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_run_may_begin_with_the_weights_of_another(run: Run, tmp_path: Path) -> None:
    assert run("train", *CSV_ONLY, "hydra.run.dir=first").status == 0
    begun = ("train", *CSV_ONLY, "init=first/last.ckpt", "hydra.run.dir=second")
    assert run(*begun, "optimizer.lr=0").status == 0
    assert same_weights(tmp_path / "first" / "last.ckpt", tmp_path / "second" / "last.ckpt")
    assert "does not fit" in run(*begun, "decoder.depth=3", "hydra.run.dir=third").error


def test_a_run_leaves_checkpoints_and_logs(run: Run, tmp_path: Path) -> None:
    outcome = run("train", *CSV_ONLY, "scale=[2,2.7]", "trainer.val_check_interval=2", "hydra.run.dir=mine")
    assert outcome.status == 0
    assert outcome.out.endswith(f"written: {tmp_path / 'mine' / 'result.json'}\n")
    with (tmp_path / "mine" / "logs" / "version_0" / "metrics.csv").open() as file:
        validations = [row for row in csv.DictReader(file) if row["psnr/mean"]]
    assert len(validations) == 2
    for name in ("psnr", "total_macs", "encoder_macs", "decoder_macs", "total_ms"):
        assert all(float(row[f"{name}/x{scale}"]) > 0 for row in validations for scale in ("2", "2.7"))
    assert load(tmp_path / "mine" / "last.ckpt").config["decoder"]["width"] == 4
    assert load(tmp_path / "mine" / "best.ckpt").config["decoder"]["width"] == 4


def test_each_job_of_a_sweep_has_an_offline_wandb_run_that_is_complete(tmp_path: Path) -> None:
    process = lmf_sr(tmp_path, "train", "-m", *TINY, "scale=[2,2.7]", "seed=0,1", "sweep=seeds")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    for seed in (0, 1):
        (log,) = tmp_path.glob(f"multirun/train/seeds/seed-{seed}/wandb/offline-run-*/run-*.wandb")
        found = OfflineRun(log)
        assert found.closed
        assert (found.group, found.name) == ("seeds", f"seed-{seed}")
        assert found.configuration["decoder"]["name"] == "lm-liif"
        assert found.configuration["trainer"]["max_steps"] == 4
        assert {"loss", "psnr/x2", "total_macs/x2.7", "total_ms/x2"} <= {name for row in found.history for name in row}

        rows = [row for row in found.history if "by_scale/scale" in row]
        assert [row["by_scale/scale"] for row in rows] == [2, 2.7]
        for name in ("psnr", "decoder_macs", "total_ms"):
            assert found.x_axes[f"by_scale/{name}"] == "by_scale/scale"
            assert all(row[f"by_scale/{name}"] > 0 for row in rows)
            assert [found.summary[f"{name}/x{scale}"] for scale in ("2", "2.7")] == [
                r[f"by_scale/{name}"] for r in rows
            ]
        assert found.summary["decoder_parameters"] > 0
        assert found.summary["best/psnr/mean"] >= found.summary["psnr/mean"]

        columns, rows = found.table("crops")
        assert columns == ["scale", "image", "LR", "bicubic", "SR", "HR", "error ×4"]
        assert [row[0] for row in rows] == [2, 2.7]
        job = log.parents[2]
        assert all(job in picture.parents and read_picture(picture) for row in rows for picture in row[2:])


def test_a_resumed_run_ends_as_one_that_was_not_interrupted(run: Run, tmp_path: Path) -> None:
    assert run("train", *CSV_ONLY, "hydra.run.dir=straight").status == 0
    assert run("train", *CSV_ONLY, "trainer.max_steps=2", "hydra.run.dir=half").status == 0
    assert run("train", *CSV_ONLY, "ckpt=half/last.ckpt", "hydra.run.dir=resumed").status == 0
    assert same_weights(tmp_path / "straight" / "last.ckpt", tmp_path / "resumed" / "last.ckpt")


def test_a_folder_with_a_run_is_only_for_resuming_it(run: Run, tmp_path: Path) -> None:
    assert run("train", *CSV_ONLY, "trainer.max_steps=2", "hydra.run.dir=mine").status == 0
    before = (tmp_path / "mine" / "last.ckpt").read_bytes()
    outcome = run("train", *CSV_ONLY, "hydra.run.dir=mine")
    assert outcome.status == 2
    assert "mine already holds a result of another configuration (trainer.max_steps: 2 there, 4 here)" in outcome.error
    assert (tmp_path / "mine" / "last.ckpt").read_bytes() == before
    log = (tmp_path / "mine" / "logs" / "version_0" / "metrics.csv").read_bytes()
    assert run("train", *CSV_ONLY, "ckpt=mine/last.ckpt", "hydra.run.dir=mine").status == 0
    assert (tmp_path / "mine" / "logs" / "version_0" / "metrics.csv").read_bytes() == log
    assert torch.load(tmp_path / "mine" / "last.ckpt", weights_only=True)["global_step"] == 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["data.root=nowhere"], "no image folder nowhere"),
        (["data.root=photos/empty"], "no images in the folder photos/empty"),
        (["data.held_out=3"], "holds 3 images, of which 3 cannot be held out"),
        (["sampling.patch=11"], "training patches of 11 pixels at scale 4 need 44 x 44"),
        (["encoder=foo"], "there is no encoder 'foo'; choose one of"),
        (["scale=0.5"], "a scale is a number of at least 1"),
        (["sampling.queries=65"], "65 queries cannot be drawn"),
        (["ckpt=nowhere.ckpt"], "there is no checkpoint file 'nowhere.ckpt'"),
        (["optimizer.lr=1e30"], "at step 1, and training has stopped"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, photos: Path, arguments: list[str], told: str) -> None:
    (photos / "empty").mkdir()
    outcome = run("train", *CSV_ONLY, *arguments)
    assert outcome.status == 2
    assert told in outcome.error


def test_benchmark_sets_are_not_trained_on(run: Run) -> None:
    outcome = run("train", "data=benchmark", "data.root=photos", "logger=csv")
    assert outcome.status == 2
    assert "benchmark sets are for evaluation only" in outcome.error


def test_an_unreadable_image_is_named(run: Run, photos: Path) -> None:
    (photos / "1.png").write_bytes((photos / "1.png").read_bytes()[:500])
    outcome = run("train", *CSV_ONLY)
    assert outcome.status == 2
    assert "1.png" in outcome.error


def test_a_checkpoint_of_another_architecture_is_refused(run: Run) -> None:
    assert run("train", *CSV_ONLY, "hydra.run.dir=first").status == 0
    outcome = run("train", *CSV_ONLY, "ckpt=first/last.ckpt", "encoder.n_feats=16")
    assert outcome.status == 2
    assert "first/last.ckpt holds a model with encoder n_feats 8, not 16" in outcome.error


def test_ctrl_c_keeps_a_checkpoint_from_which_the_run_goes_on(run: Run, tmp_path: Path) -> None:
    endless = ("trainer.max_steps=1_000_000", "trainer.val_check_interval=5", "workers=2")
    process = lmf_sr(tmp_path, "train", *CSV_ONLY, *endless, "hydra.run.dir=mine")
    last = tmp_path / "mine" / "last.ckpt"
    while not last.exists():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    step = torch.load(last, weights_only=True)["global_step"]
    assert process.returncode == 130
    assert f"lmf-sr: interrupted: step {step} is kept in {last}" in err
    assert "Traceback" not in err

    more = f"trainer.max_steps={step + 3}"
    assert run("train", *CSV_ONLY, more, "ckpt=mine/last.ckpt", "hydra.run.dir=resumed").status == 0
    assert run("train", *CSV_ONLY, more, "hydra.run.dir=straight").status == 0
    assert same_weights(tmp_path / "straight" / "last.ckpt", tmp_path / "resumed" / "last.ckpt")


@pytest.mark.slow
def test_two_processes_train_as_one_also_as_a_later_job_of_a_sweep(run: Run, tmp_path: Path) -> None:
    two = ("trainer=ddp", "trainer.devices=2", "trainer.val_check_interval=2", "hydra.sweep.dir=two")
    process = lmf_sr(tmp_path, "train", "-m", *CSV_ONLY, *two, "sampling.max_scale=2,40,4")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "sampling.max_scale-40: " in err
    assert "1 of the sweep's jobs failed" in err
    assert run("train", *CSV_ONLY, "trainer.val_check_interval=2", "hydra.run.dir=one").status == 0
    one, of_two = tmp_path / "one", tmp_path / "two" / "sampling.max_scale-4"
    assert same_weights(one / "last.ckpt", of_two / "last.ckpt", atol=1e-6)
    scores = []
    for folder in (one, of_two):
        with (folder / "logs" / "version_0" / "metrics.csv").open() as file:
            scores.append([float(row["psnr/x2"]) for row in csv.DictReader(file) if row["psnr/x2"]])
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)
