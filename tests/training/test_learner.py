"""A training step computes the right loss, and training stops where it should."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny_training import learner, tiny_data, tiny_model

from lmf_sr.checkpoints import load
from lmf_sr.errors import InputError
from lmf_sr.training.learner import SuperResolution

MakeTrainer = Callable[..., Trainer]
WEIGHTS_ONLY = {"weights_only": True}


class Record(Callback):
    """The batches and losses of a run."""

    def __init__(self) -> None:
        self.batches: list[Any] = []
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.batches.append(batch)
        self.losses.append(outputs["loss"].item())


def test_steps_are_adam_on_l1_of_normalised_values(trainer: MakeTrainer) -> None:
    record = Record()
    trained = tiny_model()
    run = trainer(5, "run", record)
    run.fit(learner(trained), tiny_data())
    assert run.callback_metrics["lr"] == pytest.approx(0.5e-2)  # of the fifth step, after one halving

    model = tiny_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
    for batch, loss_seen in zip(record.batches, record.losses, strict=True):
        loss = (model(batch.lr, batch.coords, batch.cell) - batch.rgb).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        assert loss.item() == pytest.approx(loss_seen, rel=1e-5)
    for ours, theirs in zip(model.parameters(), trained.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_samples_made_on_the_device_train_the_same(trainer: MakeTrainer) -> None:
    losses = []
    for place in ("workers", "device"):
        record = Record()
        trainer(4, place, record).fit(learner(), tiny_data(made_on=place))
        losses.append(record.losses)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_samples_are_made_by_workers_or_on_the_device() -> None:
    with pytest.raises(InputError, match="cannot be made on 'gpu': choose one of auto, workers, device"):
        tiny_data(made_on="gpu")


def test_training_learns(trainer: MakeTrainer) -> None:
    record = Record()
    module = SuperResolution(tiny_model(), partial(torch.optim.Adam, lr=1e-2))  # at a constant rate
    trainer(60, "run", record).fit(module, tiny_data())
    assert sum(record.losses[-10:]) < 0.9 * sum(record.losses[:10])


def test_a_checkpoint_is_plain_data_from_which_the_model_is_loaded(trainer: MakeTrainer, tmp_path: Path) -> None:
    module = learner()
    trainer(2).fit(module, tiny_data())
    content = torch.load(tmp_path / "run" / "last.ckpt", **WEIGHTS_ONLY)
    assert content["hyper_parameters"] == {"model": module.model.config}
    loaded = load(tmp_path / "run" / "last.ckpt")
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), module.model.parameters(), strict=True))


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        partial(torch.optim.lr_scheduler.MultiStepLR, milestones=[1, 3]),
        partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=1e-2, total_steps=2),
        partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=2),
    ],
)
def test_the_state_of_any_schedule_is_plain_data(trainer: MakeTrainer, tmp_path: Path, schedule: Any) -> None:
    module = SuperResolution(tiny_model(), partial(torch.optim.AdamW, lr=1e-3), schedule)
    trainer(2).fit(module, tiny_data())
    assert torch.load(tmp_path / "run" / "last.ckpt", **WEIGHTS_ONLY)["global_step"] == 2


def test_the_loss_is_the_one_given(trainer: MakeTrainer) -> None:
    losses = {}
    for name, loss in (("absolute", torch.nn.L1Loss()), ("square", torch.nn.MSELoss())):
        record = Record()
        trainer(1, name, record).fit(learner(loss=loss), tiny_data())
        losses[name] = record.losses[0]
    assert losses["absolute"] ** 2 < losses["square"] < losses["absolute"]


def test_half_precision_trains(trainer: MakeTrainer) -> None:
    record = Record()
    trainer(30, "run", record, precision="bf16-mixed").fit(learner(lr=3e-3), tiny_data())
    assert sum(record.losses[-5:]) < sum(record.losses[:5])


class Spoil(Callback):
    """Makes a weight, or the loss through it, not a number at a step."""

    def __init__(self, step: int, after: bool) -> None:
        self.step, self.after = step, after

    def on_train_batch_start(self, trainer: Trainer, module: Any, *_: Any) -> None:
        if trainer.global_step == self.step and not self.after:
            next(module.parameters()).data[0] = torch.nan

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        if trainer.global_step == self.step and self.after:
            next(module.parameters()).data[0] = torch.nan


def test_a_loss_that_is_not_finite_names_the_step_and_keeps_the_last_good_checkpoint(
    trainer: MakeTrainer, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="the loss became nan at step 5"):
        trainer(8, "run", Spoil(5, after=False), val_check_interval=2).fit(learner(), tiny_data())
    assert torch.load(tmp_path / "run" / "last.ckpt", **WEIGHTS_ONLY)["global_step"] == 4
    assert all(parameter.isfinite().all() for parameter in load(tmp_path / "run" / "last.ckpt").parameters())


@pytest.mark.parametrize(("interval", "kept"), [(2, 4), (100, None)])
def test_a_loss_looked_at_now_and_then_is_found_before_any_file_holds_its_weights(
    trainer: MakeTrainer, tmp_path: Path, interval: int, kept: int | None
) -> None:
    run = trainer(8, "run", Spoil(5, after=False), val_check_interval=interval)
    with pytest.raises(InputError, match="the loss became nan at step 5"):
        run.fit(learner(checked_every=50), tiny_data())
    assert run.global_step > 5
    file = tmp_path / "run" / "last.ckpt"
    assert (torch.load(file, **WEIGHTS_ONLY)["global_step"] if file.exists() else None) == kept


def test_weights_that_are_not_finite_are_not_kept(trainer: MakeTrainer, tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path / "run", "best", monitor="psnr/mean", mode="max")
    with pytest.raises(InputError, match="weights became infinite or not a number at step 4"):
        trainer(8, "run", best, Spoil(4, after=True), val_check_interval=2).fit(learner(), tiny_data())
    for name in ("last.ckpt", "best.ckpt"):
        assert all(parameter.isfinite().all() for parameter in load(tmp_path / "run" / name).parameters())


def test_a_checkpoint_is_complete_or_not_there(
    trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(1).fit(learner(), tiny_data())
    before = (tmp_path / "run" / "last.ckpt").read_bytes()

    def disk_is_full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_is_full)
    with pytest.raises(InputError, match=r"cannot write .*last\.ckpt: No space left"):
        trainer(2).fit(learner(), tiny_data())
    assert (tmp_path / "run" / "last.ckpt").read_bytes() == before
    assert not list((tmp_path / "run").glob("*.partial"))
