"""A run that ends by time: its learning rate falls to its end by then, whatever the speed; it is resumed where it was."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from tiny_training import tiny_data, tiny_model

from lmf_sr.errors import InputError
from lmf_sr.training.learner import SuperResolution
from lmf_sr.training.schedules import LOWEST, ByTime, share_at

HIGHEST = 1e-2
WARMUP = 0.25


def test_the_share_rises_to_one_and_falls_along_a_cosine() -> None:
    assert share_at(0.05, 0.1) == pytest.approx(0.5)
    assert share_at(0.1, 0.1) == 1
    assert share_at(0.55, 0.1) == pytest.approx((1 + math.cos(math.pi / 2)) / 2)
    assert share_at(0.0, 0.1) == share_at(1.0, 0.1) == share_at(7.0, 0.1) == LOWEST
    shares = [share_at(i / 100, 0.1) for i in range(101)]
    assert shares == [*sorted(shares[:11]), *sorted(shares[11:], reverse=True)]


class Clock(Callback):
    """A clock that each step takes some seconds of; keeps the learning rate of each step."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.rates = seconds, 100.0, []

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.now += self.seconds

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def rates(
    trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, float, int, Path | None], list[float]]:
    """The learning rates of the steps of a run of 20 seconds, of which each step takes some."""

    def run(name: str, seconds: float, steps: int = -1, checkpoint: Path | None = None) -> list[float]:
        clock = Clock(seconds)
        monkeypatch.setattr("lightning.pytorch.callbacks.timer.time", SimpleNamespace(monotonic=clock.monotonic))
        optimizer, schedule = partial(torch.optim.Adam, lr=HIGHEST), partial(ByTime, warmup=WARMUP)
        learner = SuperResolution(tiny_model(), optimizer, schedule)
        trained = trainer(steps, name, clock, max_time="00:00:00:20")
        trained.fit(learner, tiny_data(), ckpt_path=checkpoint, weights_only=True)
        return clock.rates

    return run


@pytest.mark.parametrize(("seconds", "steps"), [(1.0, 20), (2.0, 10), (0.5, 40)])
def test_a_run_ends_by_time_and_its_rate_with_it(rates: Callable[..., list[float]], seconds: float, steps: int) -> None:
    expected = [HIGHEST * share_at(step / steps, WARMUP) for step in range(steps)]
    assert rates("run", seconds) == pytest.approx(expected)


def test_a_resumed_run_takes_the_time_that_is_left(rates: Callable[..., list[float]], tmp_path: Path) -> None:
    straight = rates("straight", 1.0)
    begun = rates("begun", 1.0, 8)
    assert begun == pytest.approx(straight[:8])
    assert rates("resumed", 1.0, -1, tmp_path / "begun" / "last.ckpt") == pytest.approx(straight[8:])
    assert rates("again", 1.0, -1, tmp_path / "resumed" / "last.ckpt") == []


def test_a_schedule_by_time_needs_a_time(trainer: Callable[..., Trainer]) -> None:
    learner = SuperResolution(tiny_model(), partial(torch.optim.Adam, lr=HIGHEST), ByTime)
    with pytest.raises(InputError, match=r"give trainer\.max_time=00:00:10:00"):
        trainer(2).fit(learner, tiny_data())
