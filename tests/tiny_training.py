"""A tiny model on tiny photographs: a run of a few steps takes a second."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger

from lmf_sr.building import build
from lmf_sr.data import PairedImages, Sampling
from lmf_sr.data.datamodule import SuperResolutionData
from lmf_sr.model import Model
from lmf_sr.training.callbacks import LastCheckpoint, Psnr
from lmf_sr.training.checkpoint_io import CheckpointFiles
from lmf_sr.training.learner import SuperResolution

ENCODER = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}
DECODER = {"name": "lm-liif", "depth": 2, "width": 4, "code_dim": 4}


class Photographs:
    """A source of noise."""

    protocol = "benchmark"

    def training(self) -> dict[str, torch.Tensor]:
        return {f"train{i}": noise(i, 24 + i, 30) for i in range(3)}

    def validation(self) -> PairedImages:
        return PairedImages("noise", {f"valid{i}": noise(10 + i, 28, 32) for i in range(2)})

    def evaluation(self) -> list[PairedImages]:
        return [self.validation()]


def noise(seed: int, height: int, width: int) -> torch.Tensor:
    """Bright noise: that it is bright can be learnt."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(128, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def tiny_model(seed: int = 0, **decoder: Any) -> Model:
    torch.manual_seed(seed)
    return build(ENCODER, DECODER | decoder)


def tiny_data(
    scales: tuple[float, ...] = (2.0, 2.7), workers: int = 0, batch_size: int = 4, **options: Any
) -> SuperResolutionData:
    sampling = Sampling(patch=8, queries=32, max_scale=3.0)
    return SuperResolutionData(Photographs(), scales, sampling, batch_size=batch_size, workers=workers, **options)


def learner(model: Model | None = None, lr: float = 1e-2, **options: Any) -> SuperResolution:
    schedule = partial(torch.optim.lr_scheduler.StepLR, step_size=3, gamma=0.5)
    return SuperResolution(model or tiny_model(), partial(torch.optim.Adam, lr=lr), schedule, **options)


def tiny_trainer(folder: Path, steps: int, *callbacks: Callback, **options: Any) -> Trainer:
    """A trainer for `steps` steps that keeps `folder/last.ckpt`."""
    return Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_steps=steps,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        logger=CSVLogger(folder, name="logs", version=""),
        callbacks=[Psnr(), *callbacks, LastCheckpoint(folder / "last.ckpt")],
        plugins=[CheckpointFiles()],
        **{"val_check_interval": 1000, "log_every_n_steps": 1} | options,
    )
