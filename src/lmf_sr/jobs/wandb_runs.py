"""The W&B runs of jobs: grouped by sweep, named by what varies, each ended with its job.

A run's id is kept in the job's folder, so that a job which goes on later goes on in its own W&B run. If W&B cannot be
reached, the run is kept offline, in the job's folder, and a warning says so. No result depends on W&B.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger, WandbLogger
from omegaconf import DictConfig

from lmf_sr.atomic import write_text
from lmf_sr.evaluation.quality import Upscaler
from lmf_sr.jobs.errors import in_one_line, warn
from lmf_sr.jobs.job import job_folder, sweep_name
from lmf_sr.jobs.settings import as_dict
from lmf_sr.model import Model
from lmf_sr.results.records import Results

IDS = "wandb_ids.json"  # in a job's folder: the ids of its W&B runs, by their names


def loggers(cfg: DictConfig, model: str, several: bool = False, resumed: str | None = None) -> list[Logger]:
    """The loggers that `logger` asks for; a W&B run has begun.

    Args:
        cfg: the job's configuration.
        model: the name of the W&B run of a job that is alone.
        several: whether the job has other models too, with runs of their own.
        resumed: the checkpoint of a training that goes on; its W&B run goes on too if the job is alone.
    """
    varies = job_folder().name
    group = sweep_name() or (varies if several else None)
    name = model if sweep_name() is None else f"{varies} {model}" if several else varies
    return [
        _wandb_run(logger, group, name, several, resumed) if kind == "wandb" else instantiate(logger)
        for kind, logger in (cfg.get("logger") or {}).items()
    ]


def end_run(failed: bool) -> None:
    """Ends the W&B run that a job has left open, lest the next job of the sweep join it."""
    if "wandb" in sys.modules:  # loading it takes a second
        import wandb

        if wandb.run is not None:
            try:
                wandb.finish(exit_code=int(failed))
            except Exception as error:
                warn(
                    f"W&B could not end its run ({in_one_line(error)}); `wandb sync` sends what is in {job_folder()}/wandb"
                )


def to_wandb(cfg: DictConfig, results: Results, models: Mapping[str, Upscaler]) -> None:
    """Makes a W&B run for each model that a job measured, by name, if `logger` asks for it.

    Its configuration is the job's, with the model's own encoder and decoder, because a checkpoint's may differ from `cfg`.
    """
    for name, found in results.items():
        model = models[name]
        parts = model.config if isinstance(model, Model) else {"encoder": {"name": None}, "decoder": {"name": name}}
        for logger in loggers(cfg, name, several=len(results) > 1):
            if isinstance(logger, WandbLogger):
                from lmf_sr.tracking import log_results  # loads W&B: a second

                logger.log_hyperparams({**as_dict(cfg), **parts})
                log_results(logger.experiment, found)
        end_run(failed=False)


def _wandb_run(settings: DictConfig, group: str | None, name: str, several: bool, resumed: str | None) -> Logger:
    """A logger whose run has begun, online if that is asked for and W&B can be reached, else offline."""
    own: dict[str, Any] = {"group": settings.group or group, "name": settings.name or name}
    own["id"] = settings.get("id") or _run_id(own["name"], several, resumed)
    import wandb  # takes a second, which other jobs need not wait

    logger = instantiate(settings, **own)
    try:
        logger.experiment  # noqa: B018 (begins the run, in the first process)
    except Exception as error:
        folder = job_folder() / "wandb"
        warn(
            f"W&B cannot be used ({in_one_line(error)}); the run is kept offline, and `wandb sync` sends {folder} later"
        )
        wandb.teardown()  # its service would call the id taken
        logger = instantiate(settings, **own, mode="offline")
        logger.experiment  # noqa: B018
    return logger


def _run_id(name: str, several: bool, resumed: str | None) -> str:
    """The id of the run of this name in the job's folder, at first that of the run whose checkpoint is resumed, if any.

    WANDB_RUN_ID counts only for a job that is alone and has one run, because it would merge the jobs of a sweep into one
    run.
    """
    alone = sweep_name() is None and not several
    file = job_folder() / IDS
    ids = _ids(file)
    if name not in ids:
        earlier = [*_ids(Path(resumed).parent / IDS).values()] if alone and resumed else []
        given = os.environ.get("WANDB_RUN_ID") if alone else None
        ids[name] = given or (earlier[0] if len(earlier) == 1 else os.urandom(4).hex())
        write_text(file, json.dumps(ids))
    return ids[name]


def _ids(file: Path) -> dict[str, str]:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
