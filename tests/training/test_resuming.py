"""A resumed training: what differs from the checkpoint's settings takes effect and is said, or is refused."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Run
from torch.optim import lr_scheduler

from lmf_sr.results.records import read_record
from lmf_sr.training.muon import Muon
from lmf_sr.training.resuming import MOMENTS, changes, kept_settings, replace_rates, shaping

TINY = (
    *("encoder.n_resblocks=1", "encoder.n_feats=8", "decoder.depth=2", "decoder.width=4", "decoder.code_dim=4"),
    *("data.window=48", "sampling.patch=8", "sampling.queries=32", "batch_size=4", "workers=0", "scale=2"),
    *("lr_size=[8,8]", "trainer.accelerator=cpu", "trainer.log_every_n_steps=1", "logger=csv"),
)


@pytest.fixture
def begun(run: Run, tmp_path: Path) -> Path:
    """The checkpoint of a training of four steps by Adam."""
    outcome = run("train", *TINY, "trainer.max_steps=4", "hydra.run.dir=begun")
    assert outcome.status == 0, outcome.err
    return tmp_path / "begun" / "last.ckpt"


def rates(folder: Path) -> list[float]:
    lines = (folder / "logs" / "version_0" / "metrics.csv").read_text().splitlines()
    column = lines[0].split(",").index("lr")
    return [float(line.split(",")[column]) for line in lines[1:] if line.split(",")[column]]


def test_changed_settings_take_effect_and_are_named(run: Run, tmp_path: Path, begun: Path) -> None:
    changed = ("optimizer.lr=1e-3", "loss=mse", "batch_size=2", "seed=3")
    outcome = run("train", *TINY, *changed, f"ckpt={begun}", "trainer.max_steps=6", "hydra.run.dir=on")
    assert outcome.status == 0, outcome.err
    for told in (
        *(f"{begun} goes on from step 4 with ", "optimizer.lr=0.001 (before: 0.0001)", "seed=3 (before: 0)"),
        *("loss._target_=torch.nn.MSELoss (before: torch.nn.L1Loss)", "batch_size=2 (before: 4)"),
        "trainer.max_steps=6 (before: 4)",
    ):
        assert told in outcome.out
    assert rates(tmp_path / "on") == pytest.approx([1e-3, 1e-3])
    checkpoint = torch.load(tmp_path / "on" / "last.ckpt", weights_only=True)
    assert checkpoint["settings"]["optimizer.lr"] == 1e-3
    assert checkpoint["optimizer_states"][0]["state"][0]["step"] == 6  # the moments went on
    assert read_record(tmp_path / "on" / "result.json").settings["optimizer.lr"] == 1e-3


def test_the_same_settings_are_not_spoken_of(run: Run, begun: Path) -> None:
    outcome = run("train", *TINY, f"ckpt={begun}", "trainer.max_steps=6", "hydra.run.dir=on", "workers=1")
    assert "with trainer.max_steps=6 (before: 4)\n" in outcome.out


def test_another_optimiser_is_refused_and_init_is_the_way_out(run: Run, begun: Path) -> None:
    outcome = run("train", *TINY, "optimizer=muon", f"ckpt={begun}", "trainer.max_steps=6")
    assert outcome.status == 2
    assert f"{begun} was trained by Adam, not Muon" in outcome.error
    assert f"init={begun}" in outcome.error
    muon = ("train", *TINY, "optimizer=muon", "trainer.max_steps=2")
    assert run(*muon, f"init={begun}", "hydra.run.dir=muon").status == 0
    outcome = run("train", *TINY, "ckpt=muon/last.ckpt", "trainer.max_steps=6")
    assert outcome.status == 2
    assert "was trained by Muon, not Adam" in outcome.error


def test_one_cycle_is_stretched_where_there_are_more_steps(run: Run, tmp_path: Path) -> None:
    cycle = ("train", *TINY, "schedule=onecycle")
    assert run(*cycle, "trainer.max_steps=4", "hydra.run.dir=short").status == 0
    assert run(*cycle, "trainer.max_steps=8", "hydra.run.dir=long").status == 0
    outcome = run(*cycle, "trainer.max_steps=8", "ckpt=short/last.ckpt", "hydra.run.dir=stretched")
    assert outcome.status == 0, outcome.err
    assert rates(tmp_path / "stretched") == rates(tmp_path / "long")[4:]


def test_a_schedule_that_ends_before_the_run_is_one_sentence(run: Run) -> None:
    outcome = run("train", *TINY, "schedule=onecycle", "schedule.total_steps=2", "trainer.max_steps=6")
    assert outcome.status == 2
    assert "the schedule of the learning rate ends before the run, at step 3" in outcome.error


def test_a_run_at_its_end_says_so_and_has_the_checkpoint(run: Run, tmp_path: Path, begun: Path) -> None:
    for steps in (4, 3):
        folder = tmp_path / f"end{steps}"
        outcome = run("train", *TINY, f"ckpt={begun}", f"trainer.max_steps={steps}", f"hydra.run.dir={folder}")
        assert outcome.status == 0, outcome.err
        assert f"{begun} has reached the end, step 4, already: nothing was left to train" in outcome.out
        assert (folder / "last.ckpt").read_bytes() == begun.read_bytes()
        assert read_record(folder / "result.json").results


def test_a_checkpoint_that_predates_kept_settings_is_known_by_its_moments_and_its_record(
    run: Run, tmp_path: Path, begun: Path
) -> None:
    checkpoint = torch.load(begun, weights_only=True)
    del checkpoint["settings"]
    (tmp_path / "alone").mkdir()
    for place in (begun, tmp_path / "alone" / "last.ckpt"):
        torch.save(checkpoint, place)
    assert kept_settings(checkpoint, begun)["optimizer.lr"] == 1e-4
    assert kept_settings(checkpoint, tmp_path / "alone" / "last.ckpt") == {}
    outcome = run("train", *TINY, "ckpt=alone/last.ckpt", "optimizer=muon")
    assert "was trained by Adam, not Muon" in outcome.error
    assert run("train", *TINY, "ckpt=alone/last.ckpt", "trainer.max_steps=5").status == 0


def test_rates_of_a_new_schedule_are_those_of_its_own_run() -> None:
    weight = torch.nn.Parameter(torch.zeros(2, 2))

    def after(steps: int, lr: float, step_size: int) -> dict[str, Any]:
        optimizer = torch.optim.Adam([weight], lr=lr)
        schedule = lr_scheduler.StepLR(optimizer, step_size=step_size, gamma=0.5)
        for _ in range(steps):
            optimizer.step()
            schedule.step()
        states = [optimizer.state_dict()]
        return {"global_step": steps, "optimizer_states": states, "lr_schedulers": [schedule.state_dict()]}

    checkpoint, expected = after(7, 1e-3, 3), after(7, 1e-2, 2)
    fresh = torch.optim.Adam([weight], lr=1e-2)
    replace_rates(checkpoint, fresh, lr_scheduler.StepLR(fresh, step_size=2, gamma=0.5))
    assert checkpoint["optimizer_states"][0]["param_groups"] == expected["optimizer_states"][0]["param_groups"]
    assert checkpoint["lr_schedulers"][0]["_last_lr"] == expected["lr_schedulers"][0]["_last_lr"] == [1e-2 / 8]


def test_settings_that_shape_no_weight_are_not_kept() -> None:
    settings = {"optimizer.lr": 1, "trainer.max_steps": 2, "trainer.devices": 3, "logger.csv.name": 4, "seed": 5}
    assert shaping(settings) == {"optimizer.lr": 1, "trainer.max_steps": 2, "seed": 5}
    assert changes({}, settings) == {}
    assert changes({"seed": 4}, {"seed": 5}) == {"seed": "seed=5 (before: 4)"}


def test_the_optimisers_that_old_checkpoints_may_hold_have_the_moments_they_are_known_by() -> None:
    for factory in (partial(torch.optim.Adam, lr=1.0), partial(Muon, lr=1.0)):
        weight = torch.nn.Parameter(torch.ones(2, 2))
        optimizer = factory([weight])
        weight.sum().backward()
        optimizer.step()
        (name,) = (MOMENTS[entry] for entry in optimizer.state[weight] if entry in MOMENTS)
        assert name == type(optimizer).__name__
