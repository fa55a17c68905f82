"""Crops of validation images, as a table of W&B: LR, bicubic, the model's rendering, the HR image, and the error."""

from typing import Any

from jaxtyping import UInt8
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from torch import Tensor

from lmf_sr.data import Pair
from lmf_sr.images import resize_pillow

ERROR_GAIN = 4  # errors of a few grey levels are magnified to be seen
PICTURES = ("LR", "bicubic", "SR", "HR", f"error ×{ERROR_GAIN}")

Picture = UInt8[Tensor, "3 _ _"]


class Crops(Callback):
    """Logs a table `crops` at each validation, a row for each image and scale; does nothing without W&B.

    Args:
        images: the number of images, which are the first of the validation set.
        side: the side of the crop from the middle of the HR image, in pixels.
    """

    def __init__(self, images: int = 2, side: int = 128) -> None:
        self.images, self.side = images, side

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        watched = trainer.is_global_zero and not trainer.sanity_checking
        self.loggers = [logger for logger in trainer.loggers if watched and isinstance(logger, WandbLogger)]
        self.rows: dict[tuple[float, str], tuple[Picture, ...]] = {}

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Pair, *_: Any
    ) -> None:
        if self.loggers and sum(scale == batch.scale for scale, _ in self.rows) < self.images:
            sr = (outputs * 255).round().byte().cpu()
            self.rows[batch.scale, batch.name] = comparison(batch.lr.cpu(), sr, batch.hr.cpu(), self.side)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.loggers:
            return
        import wandb  # a second, which other runs need not wait

        rows = [
            [scale, name, *(wandb.Image(picture.permute(1, 2, 0).numpy()) for picture in pictures)]
            for (scale, name), pictures in sorted(self.rows.items(), key=lambda row: row[0])
        ]
        for logger in self.loggers:
            logger.log_table("crops", columns=["scale", "image", *PICTURES], data=rows, step=trainer.global_step)


def comparison(
    lr: UInt8[Tensor, "3 h w"], sr: UInt8[Tensor, "3 H W"], hr: UInt8[Tensor, "3 H W"], side: int
) -> tuple[Picture, ...]:
    """The middles of the `PICTURES`: the LR image, Pillow's bicubic, SR, HR, and the magnified error of SR."""
    height, width = hr.shape[1:]
    error = ((sr.int() - hr.int()).abs() * ERROR_GAIN).clamp(max=255).byte()
    large = (_middle(part, side, side) for part in (resize_pillow(lr, height, width), sr, hr, error))
    rows, cols = (round(side * a / b) for a, b in zip(lr.shape[1:], hr.shape[1:], strict=True))
    return (_middle(lr, max(rows, 1), max(cols, 1)), *large)


def _middle(picture: Picture, rows: int, cols: int) -> Picture:
    top, left = (max(0, (length - side) // 2) for length, side in zip(picture.shape[1:], (rows, cols), strict=True))
    return picture[:, top : top + rows, left : left + cols]
