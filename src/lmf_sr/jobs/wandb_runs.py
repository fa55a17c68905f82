"""The W&B runs of jobs: grouped by sweep, named by what varies, each ended with its job."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger, WandbLogger
from omegaconf import DictConfig

from lmf_sr.evaluation.quality import Upscaler
from lmf_sr.jobs.job import job_folder, sweep_name
from lmf_sr.jobs.settings import as_dict
from lmf_sr.model import Model
from lmf_sr.results.records import Results


def loggers(cfg: DictConfig, model: str, several: bool = False) -> list[Logger]:
    """Those that `logger` asks for.

    Args:
        cfg: the job's configuration.
        model: names the W&B run of a job that is alone.
        several: whether the job has other models, too, with runs of their own.
    """
    varies = job_folder().name
    group = sweep_name() or (varies if several else None)
    own = {"group": group, "name": model if sweep_name() is None else f"{varies} {model}" if several else varies}
    return [
        instantiate(logger, **({key: logger[key] or value for key, value in own.items()} if name == "wandb" else {}))
        for name, logger in (cfg.get("logger") or {}).items()
    ]


@contextmanager
def ended_with_the_job(loggers: Sequence[Logger]) -> Iterator[None]:
    """Lightning would leave the W&B run open, and the next job of a sweep would join it."""
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        if any(isinstance(logger, WandbLogger) for logger in loggers):
            import wandb  # a second, which other runs need not wait

            wandb.finish(exit_code)


def to_wandb(cfg: DictConfig, results: Results, models: Mapping[str, Upscaler]) -> None:
    """A W&B run for each model that a job measured, by name, if `logger` asks for it.

    Its configuration is the job's, but with encoder and decoder as they are: a checkpoint's may not be those of `cfg`.
    """
    for name, found in results.items():
        model = models[name]
        parts = model.config if isinstance(model, Model) else {"encoder": {"name": None}, "decoder": {"name": name}}
        asked = loggers(cfg, name, several=len(results) > 1)
        with ended_with_the_job(asked):
            for logger in asked:
                if isinstance(logger, WandbLogger):
                    from lmf_sr.tracking import log_results  # loads W&B: a second

                    logger.log_hyperparams({**as_dict(cfg), **parts})
                    log_results(logger.experiment, found)
