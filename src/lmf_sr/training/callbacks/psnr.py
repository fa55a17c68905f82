"""Validation PSNR: `psnr/x2`, `psnr/x2.7` ... and their mean, `psnr/mean`."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lmf_sr.data import Pair
from lmf_sr.data.datamodule import SuperResolutionData
from lmf_sr.errors import InputError
from lmf_sr.evaluation.metrics import PROTOCOLS, check_window, psnr
from lmf_sr.normalisation import from_levels

EXACT = 100.0
"""The PSNR, in dB, counted for an image that is reproduced exactly. Its own is infinite, which would make the mean, by which
the best checkpoint is chosen, infinite too."""


class Psnr(Callback):
    """The mean over images, per scale.

    Args:
        protocol: the convention by which it is measured (`evaluation/metrics.py`); None for the one customary with the data.
    """

    def __init__(self, protocol: str | None = None) -> None:
        self.protocol = protocol

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises InputError, now rather than at a validation or the evaluation at the end, if an image is too small."""
        data: SuperResolutionData = trainer.datamodule  # type: ignore[attr-defined]
        for (name, scale), (height, width) in data.validation.hr_sizes.items():
            try:
                check_window(height, width, scale, PROTOCOLS[self.protocol or data.source.protocol])
            except InputError as error:
                raise InputError(f"validation image {name}: {error}") from error

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Pair, *_: Any
    ) -> None:
        data: SuperResolutionData = trainer.datamodule  # type: ignore[attr-defined]
        protocol = PROTOCOLS[self.protocol or data.source.protocol]
        value = min(psnr(outputs.cpu(), from_levels(batch.hr.cpu()), batch.scale, protocol), EXACT)
        for name in (f"psnr/x{batch.scale:g}", "psnr/mean"):  # all scales have the same images
            pl_module.log(name, value, prog_bar=True, on_epoch=True, sync_dist=True, batch_size=1)
