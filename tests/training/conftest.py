"""A trainer of a few steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger

from lmf_sr.training.callbacks import LastCheckpoint, Psnr
from lmf_sr.training.files import CheckpointFiles


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., Trainer]:
    """A trainer for `steps` steps that keeps `tmp_path/<name>/last.ckpt`."""

    def make(steps: int, name: str = "run", *callbacks: Callback, **options: Any) -> Trainer:
        folder = tmp_path / name
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
            callbacks=[LastCheckpoint(folder / "last.ckpt"), Psnr(), *callbacks],
            plugins=[CheckpointFiles()],
            **{"val_check_interval": 1000, "log_every_n_steps": 1} | options,
        )

    return make
