"""Goes gently on an encoder that is trained already, behind which a fresh decoder learns to read its features.

At first the encoder stays as it is, because the gradients of a fresh decoder would spoil it. Then each of its parameters
moves at a pace of its own,

    theta <- theta_before + pace (theta_after - theta_before),      pace = min(1, rms(theta_0) / rms of a fresh parameter)

for a step of any optimiser from theta_before to theta_after. Weights from another recipe, such as RLFN-S's public ones,
may be a hundred times as small as fresh ones, and a step that suits a fresh parameter would overwrite them.
"""

from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from lmf_sr.model import Model


class TrainedEncoder(Callback):
    """Freezes the encoder for the first steps of a run, and then lets its parameters move in proportion to their size.

    Args:
        frozen: the number of steps in which the encoder stays as it is.
    """

    def __init__(self, frozen: int) -> None:
        self.frozen = frozen
        self.paces: dict[str, float] = {}
        self.before: dict[str, torch.Tensor] = {}

    def on_fit_start(self, trainer: Trainer, learner: LightningModule) -> None:
        if not self.paces:  # a resumed run keeps the paces of its beginning
            self.paces = dict(paces(_encoder(learner)))

    def on_train_batch_start(self, trainer: Trainer, learner: LightningModule, batch: Any, batch_idx: int) -> None:
        encoder = _encoder(learner)
        encoder.requires_grad_(trainer.global_step >= self.frozen)
        self.before = {name: p.detach().clone() for name, p in encoder.named_parameters() if name in self.paces}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, learner: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        for name, parameter in _encoder(learner).named_parameters():
            if name in self.paces:
                parameter.copy_(torch.lerp(self.before[name], parameter, self.paces[name]))

    def state_dict(self) -> dict[str, Any]:
        return {"paces": self.paces}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.paces = state_dict["paces"]


def paces(encoder: nn.Module) -> Iterator[tuple[str, float]]:
    """The parameters of convolutions and linear layers that are smaller than fresh ones, by name, and their paces."""
    for name, layer in encoder.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            # The rms of PyTorch's own initial values, which are uniform within 1 / sqrt(fan in)
            fresh = (3 * layer.weight[0].numel()) ** -0.5
            for parameter, values in layer.named_parameters(recurse=False):
                pace = values.detach().square().mean().sqrt().item() / fresh
                if pace < 1:
                    yield f"{name}.{parameter}", pace


def _encoder(learner: LightningModule) -> nn.Module:
    model = learner.model
    assert isinstance(model, Model)
    return model.encoder
