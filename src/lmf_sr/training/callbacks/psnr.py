"""Validation PSNR: `psnr/x2`, `psnr/x2.7` ... and their mean, `psnr/mean`."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lmf_sr.data import Pair, SuperResolutionData
from lmf_sr.evaluation.metrics import PROTOCOLS, psnr


class Psnr(Callback):
    """The mean over images, per scale.

    Args:
        protocol: how it is measured (`evaluation/metrics.py`); None for what is customary with the data.
    """

    def __init__(self, protocol: str | None = None) -> None:
        self.protocol = protocol

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Pair,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        data: SuperResolutionData = trainer.datamodule  # type: ignore[attr-defined]
        protocol = PROTOCOLS[self.protocol or data.source.protocol]
        value = psnr(outputs.cpu(), batch.hr.cpu() / 255, batch.scale, protocol)
        for name in (f"psnr/x{batch.scale:g}", "psnr/mean"):  # all scales have the same images
            pl_module.log(name, value, prog_bar=True, on_epoch=True, sync_dist=True, batch_size=1)
