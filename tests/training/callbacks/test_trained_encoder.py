"""An encoder that is trained already stays as it is at first, and then moves in proportion to the size of its parameters."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule
from tiny_training import learner, tiny_data, tiny_trainer

from lmf_sr.training.callbacks import TrainedEncoder
from lmf_sr.training.callbacks.trained_encoder import paces


def small(made: LightningModule) -> LightningModule:
    """The learner with the encoder's head made a tenth and a hundredth as large as fresh."""
    with torch.no_grad():
        made.model.encoder.head.weight *= 0.1 / made.model.encoder.head.weight.square().mean().sqrt() * (1 / 81) ** 0.5
    return made


def test_paces_are_sizes_relative_to_fresh_ones_and_one_at_most() -> None:
    encoder = small(learner()).model.encoder
    found = dict(paces(encoder))
    assert found["head.weight"] == pytest.approx(0.1)
    assert all(0 < pace < 1 for pace in found.values())


def test_it_stays_at_first_and_then_moves_at_its_pace(tmp_path: Path) -> None:
    moved = {}
    for frozen in (0, 2):
        torch.manual_seed(0)
        made, callback = small(learner()), TrainedEncoder(frozen)
        first = made.model.encoder.head.weight.detach().clone()
        trainer = tiny_trainer(tmp_path / str(frozen), 2, callback)
        trainer.fit(made, tiny_data())
        moved[frozen] = (made.model.encoder.head.weight.detach() - first).abs().max().item()
    assert moved[2] == 0
    torch.manual_seed(0)
    free = small(learner())
    first = free.model.encoder.head.weight.detach().clone()
    tiny_trainer(tmp_path / "free", 2).fit(free, tiny_data())
    freely = (free.model.encoder.head.weight.detach() - first).abs().max().item()
    assert 0 < moved[0] < 0.3 * freely


def test_a_resumed_run_keeps_the_paces_of_its_beginning() -> None:
    callback, resumed = TrainedEncoder(0), TrainedEncoder(0)
    callback.paces = {"head.weight": 0.5}
    resumed.load_state_dict(callback.state_dict())
    assert resumed.paces == {"head.weight": 0.5}
