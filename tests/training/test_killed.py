"""A run killed at any moment, and resumed each time, ends as one that was not."""

import random
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from signal import SIGKILL
from time import sleep
from typing import Any

import pytest
import torch
from forking import FORKSERVER
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny_training import learner, tiny_data, tiny_trainer

STEPS, KILLS = 20, 10


class Report(Callback):
    """Sends the number of each step as it begins."""

    def __init__(self, steps: Connection) -> None:
        self.steps = steps

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self.steps.send(trainer.global_step)


def train(folder: Path, steps: Connection) -> None:
    """Trains to the end, from the last checkpoint if there is one. A validation, and so a checkpoint, every second step."""
    torch.set_num_threads(1)
    best = ModelCheckpoint(folder, "best", monitor="psnr/mean", mode="max", enable_version_counter=False)
    last = folder / "last.ckpt"
    tiny_trainer(folder, STEPS, best, Report(steps), val_check_interval=2, log_every_n_steps=1000).fit(
        learner(), tiny_data(), ckpt_path=last if last.exists() else None
    )


@pytest.fixture
def start() -> Callable[[Path], tuple[Any, Connection]]:
    """Starts a training process; returns it, with the connection on which it sends the number of each step."""

    def start(folder: Path) -> tuple[Any, Connection]:
        reading, writing = FORKSERVER.Pipe(duplex=False)
        process = FORKSERVER.Process(target=train, args=(folder, writing))
        process.start()
        writing.close()
        return process, reading

    return start


def drain(steps: Connection) -> list[int]:
    """The steps that are still reported until the process ends."""
    said = []
    while True:
        try:
            said.append(steps.recv())
        except EOFError:
            return said


def test_ten_kills_change_nothing(start: Callable[[Path], tuple[Any, Connection]], tmp_path: Path) -> None:
    straight, steps = start(tmp_path / "straight")
    assert drain(steps) == list(range(STEPS))
    straight.join()

    moments = random.Random(0)
    for moment in sorted(moments.randrange(1, STEPS - 2) for _ in range(KILLS)):
        process, steps = start(tmp_path / "killed")
        while steps.recv() < moment:
            pass
        sleep(moments.uniform(0, 0.05))  # amid a step, a validation, or the writing of a checkpoint
        process.kill()
        process.join()
        assert process.exitcode == -SIGKILL
    process, steps = start(tmp_path / "killed")
    assert drain(steps)[-1] == STEPS - 1
    process.join()

    for name in ("last.ckpt", "best.ckpt"):
        one, other = (torch.load(tmp_path / run / name, weights_only=True) for run in ("straight", "killed"))
        assert one["global_step"] == other["global_step"]
        assert str(one["optimizer_states"]) == str(other["optimizer_states"])
        for key, value in one["state_dict"].items():
            assert torch.equal(value, other["state_dict"][key])
    assert not list((tmp_path / "killed").glob("*.partial"))
