"""A resumed run repeats an uninterrupted one, bit for bit."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from tiny_training import learner, tiny_data, tiny_model

from lmf_sr.data import Content
from lmf_sr.data.datamodule import SuperResolutionData
from lmf_sr.errors import InputError

MakeTrainer = Callable[..., Trainer]


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def identical(first: Path, second: Path) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Interrupt(Callback):
    """Sends this process signals amid a batch, counted from 0."""

    def __init__(self, batch: int, *numbers: int) -> None:
        self.batch, self.numbers = batch, numbers

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == self.batch:
            for number in self.numbers:
                os.kill(os.getpid(), number)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("validated_every", [2, 1000])
def test_a_run_that_ended_goes_on_as_if_it_had_not(
    trainer: MakeTrainer, tmp_path: Path, validated_every: int, workers: int
) -> None:
    interval = {"val_check_interval": validated_every}
    trainer(8, "straight", **interval).fit(learner(), tiny_data())
    trainer(3, "half", **interval).fit(learner(), tiny_data(workers=workers))
    ckpt = tmp_path / "half" / "last.ckpt"
    trainer(8, "resumed", **interval).fit(learner(tiny_model(seed=1)), tiny_data(workers=workers), ckpt_path=ckpt)
    assert identical(tmp_path / "straight" / "last.ckpt", tmp_path / "resumed" / "last.ckpt")


@pytest.mark.parametrize("numbers", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGTERM, signal.SIGTERM)])
@pytest.mark.parametrize("step", [3, 4])  # amid steps, and where a validation is due
def test_an_interrupted_run_keeps_the_step_it_was_in(
    trainer: MakeTrainer, tmp_path: Path, numbers: tuple[int, ...], step: int
) -> None:
    trainer(8, "straight", val_check_interval=5).fit(learner(), tiny_data())
    with pytest.raises(SystemExit) as stop:
        trainer(8, "half", Interrupt(step, *numbers), val_check_interval=5).fit(learner(), tiny_data())
    ckpt = tmp_path / "half" / "last.ckpt"
    assert f"step {step + 1} is kept in {ckpt}" in str(stop.value.__context__)
    assert torch.load(ckpt, weights_only=True)["global_step"] == step + 1
    trainer(8, "resumed", val_check_interval=5).fit(learner(tiny_model(seed=1)), tiny_data(), ckpt_path=ckpt)
    assert identical(tmp_path / "straight" / "last.ckpt", tmp_path / "resumed" / "last.ckpt")


def test_a_run_with_samples_made_on_the_device_resumes_too(trainer: MakeTrainer, tmp_path: Path) -> None:
    def data(workers: int) -> SuperResolutionData:
        return tiny_data(made_on="device", content=Content(patterns=0.5), workers=workers)

    trainer(6, "straight").fit(learner(), data(workers=0))
    trainer(3, "half").fit(learner(), data(workers=2))
    trainer(6, "resumed").fit(learner(), data(workers=2), ckpt_path=tmp_path / "half" / "last.ckpt")
    assert identical(tmp_path / "straight" / "last.ckpt", tmp_path / "resumed" / "last.ckpt")


def test_averaged_weights_resume_too(trainer: MakeTrainer, tmp_path: Path) -> None:
    def averaging() -> EMAWeightAveraging:
        return EMAWeightAveraging(decay=0.9)

    trainer(8, "plain").fit(learner(), tiny_data())
    trainer(8, "straight", averaging()).fit(learner(), tiny_data())
    trainer(5, "half", averaging(), val_check_interval=2).fit(learner(), tiny_data())
    ckpt = tmp_path / "half" / "last.ckpt"
    trainer(8, "resumed", averaging()).fit(learner(tiny_model(seed=1)), tiny_data(), ckpt_path=ckpt)
    assert identical(tmp_path / "straight" / "last.ckpt", tmp_path / "resumed" / "last.ckpt")
    assert not identical(tmp_path / "straight" / "last.ckpt", tmp_path / "plain" / "last.ckpt")


def test_random_numbers_within_a_step_resume_too(trainer: MakeTrainer, tmp_path: Path) -> None:
    def dropping() -> Any:
        model = tiny_model()
        model.encoder.body.insert(0, torch.nn.Dropout(0.5))
        return learner(model)

    trainer(6, "straight").fit(dropping(), tiny_data())
    trainer(3, "half").fit(dropping(), tiny_data())
    torch.manual_seed(17)
    trainer(6, "resumed").fit(dropping(), tiny_data(), ckpt_path=tmp_path / "half" / "last.ckpt")
    assert identical(tmp_path / "straight" / "last.ckpt", tmp_path / "resumed" / "last.ckpt")


def test_accumulated_gradients_resume_too(trainer: MakeTrainer, tmp_path: Path) -> None:
    options = {"accumulate_grad_batches": 2}
    trainer(6, "straight", **options).fit(learner(), tiny_data())
    with pytest.raises(SystemExit):
        trainer(6, "half", Interrupt(6, signal.SIGINT), **options).fit(learner(), tiny_data())
    trainer(6, "resumed", **options).fit(learner(), tiny_data(), ckpt_path=tmp_path / "half" / "last.ckpt")
    assert identical(tmp_path / "straight" / "last.ckpt", tmp_path / "resumed" / "last.ckpt")


def test_another_architecture_is_refused(trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer(1, "first").fit(learner(), tiny_data())
    with pytest.raises(InputError, match=r"decoder width 4, not 5"):
        trainer(2, "second").fit(learner(tiny_model(width=5)), tiny_data(), ckpt_path=tmp_path / "first" / "last.ckpt")


def test_missing_weights_are_named(trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer(1, "first").fit(learner(), tiny_data())
    ckpt = tmp_path / "first" / "last.ckpt"
    content = torch.load(ckpt, weights_only=True)
    del content["state_dict"]["model.encoder.head.bias"]
    torch.save(content, ckpt)
    with pytest.raises(InputError, match=r"is missing encoder\.head\.bias"):
        trainer(2, "second").fit(learner(), tiny_data(), ckpt_path=ckpt)


def test_what_is_no_training_state_is_refused(trainer: MakeTrainer, tmp_path: Path) -> None:
    torch.save({"model": {"name": "liif", "args": {}, "sd": {}}}, tmp_path / "authors.pth")
    (tmp_path / "broken.ckpt").write_bytes(b"PK\3\4 and so on")
    torch.save({"state_dict": torch.nn.Linear(1, 1)}, tmp_path / "code.ckpt")
    for name, message in [
        ("nowhere.ckpt", "there is no checkpoint file"),
        ("authors.pth", "holds weights but no state of a training run"),
        ("broken.ckpt", "damaged"),
        ("code.ckpt", "refused"),
    ]:
        with pytest.raises(InputError, match=message):
            trainer(1).fit(learner(), tiny_data(), ckpt_path=tmp_path / name)
