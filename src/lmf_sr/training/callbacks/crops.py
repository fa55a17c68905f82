"""Crops of validation images for W&B: bicubic, the model's rendering, the HR image and the error, side by side."""

from typing import Any

import torch
from jaxtyping import UInt8
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from torch import Tensor

from lmf_sr.data import Pair
from lmf_sr.images import resize_pillow

ERROR_GAIN = 4  # errors are a few grey levels: magnified, to be seen


class Crops(Callback):
    """Logs `crops/x2` ... to W&B; does nothing where W&B is not among the loggers.

    Args:
        images: how many images, the first of the validation set.
        side: of the crop from the middle of the HR image, in pixels.
    """

    def __init__(self, images: int = 2, side: int = 128) -> None:
        self.images, self.side = images, side

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        watched = trainer.is_global_zero and not trainer.sanity_checking
        self.loggers = [logger for logger in trainer.loggers if watched and isinstance(logger, WandbLogger)]
        self.strips: dict[float, dict[str, UInt8[Tensor, "3 _ _"]]] = {}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Pair,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        strips = self.strips.setdefault(batch.scale, {})
        if self.loggers and len(strips) < self.images:
            sr = (outputs * 255).round().byte().cpu()
            strips[batch.name] = comparison(batch.lr.cpu(), sr, batch.hr.cpu(), self.side)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for logger in self.loggers:
            for scale, strips in self.strips.items():
                pictures = [strip.permute(1, 2, 0).numpy() for strip in strips.values()]
                logger.log_image(f"crops/x{scale:g}", pictures, trainer.global_step, caption=[*strips])


def comparison(
    lr: UInt8[Tensor, "3 h w"], sr: UInt8[Tensor, "3 H W"], hr: UInt8[Tensor, "3 H W"], side: int
) -> UInt8[Tensor, "3 y x"]:
    """The middle of Pillow's bicubic, of SR, of HR and of the magnified error of SR, in a row."""
    height, width = hr.shape[1:]
    error = ((sr.int() - hr.int()).abs() * ERROR_GAIN).clamp(max=255).byte()
    top, left = (max(0, (length - side) // 2) for length in (height, width))
    parts = (resize_pillow(lr, height, width), sr, hr, error)
    return torch.cat([part[:, top : top + side, left : left + side] for part in parts], dim=2)
