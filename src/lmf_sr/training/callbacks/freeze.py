"""Keeps an encoder that is trained already as it is until a fresh decoder behind it has learnt to read its features."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lmf_sr.model import Model


class FrozenEncoder(Callback):
    """Freezes the encoder for the first steps of a run.

    Args:
        steps: how many steps the encoder stays as it is.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_start(self, trainer: Trainer, learner: LightningModule, batch: Any, batch_idx: int) -> None:
        model = learner.model
        assert isinstance(model, Model)
        model.encoder.requires_grad_(trainer.global_step >= self.steps)
