"""Validation PSNR: `psnr/x2`, `psnr/x2.7` ... and their mean, `psnr/mean`."""

from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lmf_sr.data import Pair
from lmf_sr.evaluation.metrics import PROTOCOLS, psnr
from lmf_sr.training.module import SuperResolution


class Psnr(Callback):
    """The mean over images, per scale, measured as the data's protocol says (`evaluation/metrics.py`)."""

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: SuperResolution) -> None:
        data = trainer.datamodule
        self.protocol = PROTOCOLS[data.source.protocol]
        self.sums = dict.fromkeys(data.scales, 0.0)
        self.counts = dict.fromkeys(data.scales, 0)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: SuperResolution,
        outputs: Float[Tensor, "3 H W"],
        batch: Pair,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.sums[batch.scale] += psnr(outputs, batch.hr / 255, batch.scale, self.protocol)
        self.counts[batch.scale] += 1

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: SuperResolution) -> None:
        totals = torch.tensor([[*self.sums.values()], [*self.counts.values()]], dtype=torch.float64)
        sums, counts = trainer.strategy.reduce(totals.to(pl_module.device), reduce_op="sum")
        means = sums / counts
        logged = {f"psnr/x{scale:g}": mean for scale, mean in zip(self.sums, means, strict=True)}
        pl_module.log_dict({**logged, "psnr/mean": means.mean()}, prog_bar=True)
