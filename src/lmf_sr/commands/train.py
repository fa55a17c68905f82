"""`lmf-sr train`: trains a model; checkpoints, logs and a W&B run of its own in the job's folder."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.utils import instantiate
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig

from lmf_sr.build import build
from lmf_sr.commands import hydra_app
from lmf_sr.commands.configuration import as_dict, scales
from lmf_sr.data import SuperResolutionData
from lmf_sr.errors import InputError
from lmf_sr.training.files import CheckpointFiles
from lmf_sr.training.module import SuperResolution


def main(arguments: Sequence[str]) -> None:
    """Runs the verb."""
    hydra_app.run("train", job, arguments)


def job(cfg: DictConfig) -> None:
    """One training run, new or resumed. Raises KeyboardInterrupt, saying what was kept, if it was interrupted."""
    _quieten()
    folder = hydra_app.job_folder()
    _check_free(folder, cfg.ckpt)
    seed_everything(cfg.seed, verbose=False)
    settings = as_dict(cfg)
    learner = SuperResolution(
        build(settings["encoder"], settings["decoder"]), instantiate(cfg.optimizer), instantiate(cfg.schedule), cfg.seed
    )
    data = SuperResolutionData(
        instantiate(cfg.data), scales(cfg.scale), instantiate(cfg.sampling), cfg.batch_size, cfg.workers, cfg.seed
    )
    trainer: Trainer = instantiate(
        cfg.trainer,
        logger=[*instantiate(cfg.get("logger") or {}).values()],
        callbacks=[*instantiate(cfg.get("callbacks") or {}).values()],
        plugins=[CheckpointFiles()],
    )
    with _one_wandb_run_per_job(trainer), _keeping_interrupts():
        for logger in trainer.loggers:
            logger.log_hyperparams(settings)
        trainer.fit(learner, data, ckpt_path=cfg.ckpt, weights_only=True)
    print(f"written: {folder}")


def _quieten() -> None:
    """Leaves out what Lightning says of every run, and what does not apply to these."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (".* is not empty", ".* does not have many workers", "The dirpath has changed", ".*LeafSpec"):
        warnings.filterwarnings("ignore", message)


def _check_free(folder: Path, ckpt: str | None) -> None:
    """A folder that holds a run may be written to by the run that takes it up, and by no other."""
    last = folder / "last.ckpt"
    if last.exists() and (ckpt is None or Path(ckpt).resolve() != last.resolve()):
        raise InputError(f"{folder} already holds a run: resume it with ckpt={last}, or take another folder")


@contextmanager
def _one_wandb_run_per_job(trainer: Trainer) -> Iterator[None]:
    """Ends the job's W&B run with the job; Lightning would leave it open, and the next job of a sweep would join it."""
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        if any(isinstance(logger, WandbLogger) for logger in trainer.loggers):
            import wandb  # a second, which other runs need not wait

            wandb.finish(exit_code)


@contextmanager
def _keeping_interrupts() -> Iterator[None]:
    """Lightning turns KeyboardInterrupt into `sys.exit(1)`, which would lose what it says."""
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise stop.__context__ from None
        raise
