"""`lmf-sr train`: trains a model; checkpoints, logs and a W&B run of its own in the job's folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import wandb
from hydra.utils import instantiate
from lightning.pytorch import Trainer, seed_everything
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
    for logger in trainer.loggers:
        logger.log_hyperparams(settings)
    with _closing_wandb(), _keeping_interrupts():
        trainer.fit(learner, data, ckpt_path=cfg.ckpt, weights_only=True)
    print(f"written: {folder}")


def _check_free(folder: Path, ckpt: str | None) -> None:
    """A folder that holds a run may be written to by the run that takes it up, and by no other."""
    last = folder / "last.ckpt"
    if last.exists() and (ckpt is None or Path(ckpt).resolve() != last.resolve()):
        raise InputError(f"{folder} already holds a run: resume it with ckpt={last}, or take another folder")


@contextmanager
def _closing_wandb() -> Iterator[None]:
    """The job's W&B run, if it has one, ends with the job: the next job of a sweep has its own."""
    try:
        yield
    except BaseException:
        wandb.finish(exit_code=1)
        raise
    wandb.finish()


@contextmanager
def _keeping_interrupts() -> Iterator[None]:
    """Lightning turns KeyboardInterrupt into `sys.exit(1)`, which would lose what it says."""
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise stop.__context__ from None
        raise
