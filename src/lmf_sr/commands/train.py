"""`lmf-sr train`: trains a model; checkpoints, logs and a W&B run of its own in the job's folder."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch import Trainer, seed_everything
from omegaconf import DictConfig

from lmf_sr.atomic import replacing
from lmf_sr.building import build, name_of
from lmf_sr.checkpoints import initialise, load
from lmf_sr.data import Source
from lmf_sr.data.datamodule import SuperResolutionData
from lmf_sr.evaluation.costs import profile
from lmf_sr.evaluation.metrics import PROTOCOLS
from lmf_sr.evaluation.quality import evaluate_sets
from lmf_sr.jobs.job import CHECKPOINT, Outcome, job_folder
from lmf_sr.jobs.settings import as_dict, scales, size
from lmf_sr.jobs.wandb_runs import loggers
from lmf_sr.model import Model
from lmf_sr.results.records import flat
from lmf_sr.training.checkpoint_io import CheckpointFiles
from lmf_sr.training.ddp_cleanup import ended_with_the_run
from lmf_sr.training.learner import SuperResolution


def job(cfg: DictConfig) -> Outcome:
    """Does one training run, which goes on from the last checkpoint in its folder if there is one.

    Returns:
        PSNR and SSIM of the final weights on the validation images, and what the model costs, at each scale.

    Raises:
        KeyboardInterrupt: it was interrupted, saying what was kept.
    """
    _quieten()
    seed_everything(cfg.seed, verbose=False)
    settings, wanted = as_dict(cfg), scales(cfg.scale)
    model = _initial(settings)
    if cfg.compile:
        model.compile(dynamic=False)  # all batches have one shape
    optimizer, schedule, loss = (instantiate(cfg[part]) for part in ("optimizer", "schedule", "loss"))
    learner = SuperResolution(model, optimizer, schedule, loss, cfg.seed, flat(settings))
    source: Source = instantiate(cfg.data)
    sampling, content = instantiate(cfg.sampling), instantiate(cfg.content)
    data = SuperResolutionData(
        source, wanted, sampling, cfg.batch_size, cfg.workers, cfg.seed, content, cfg.samples_made_on
    )
    trainer: Trainer = instantiate(
        cfg.trainer,
        logger=loggers(cfg, name_of(learner.model), resumed=cfg.ckpt),
        callbacks=[*instantiate(cfg.get("callbacks") or {}).values()],
        plugins=[CheckpointFiles()],
    )
    last = job_folder() / CHECKPOINT
    begun = last if last.is_file() else cfg.ckpt
    with ended_with_the_run(trainer.strategy), _keeping_interrupts():
        for logger in trainer.loggers:
            logger.log_hyperparams(settings)
        trainer.fit(learner, data, ckpt_path=begun, weights_only=True)
    if not trainer.is_global_zero:
        return Outcome({})
    if begun is not None and trainer.global_step == learner.resumed_step:
        print(f"{begun} has reached the end, step {trainer.global_step}, already: nothing was left to train")
        if not last.is_file():
            with replacing(last) as file:
                file.write(Path(begun).read_bytes())
    model = load(last) if last.is_file() else learner.model  # the file's: weights that a callback may have averaged
    model = model.to(trainer.strategy.root_device).eval()
    protocol = PROTOCOLS[source.protocol]
    found = evaluate_sets(model, [source.validation()], wanted, protocol)
    return Outcome({name_of(model): [*found, *profile(model, size(cfg.lr_size), wanted)]})


def _initial(settings: Mapping[str, Any]) -> Model:
    """The model with fresh weights or those of `init`, which may hold an encoder alone. Raises InputError for another
    one."""
    model, init = build(settings["encoder"], settings["decoder"]), settings["init"]
    if init is not None:
        initialise(model, init)
    return model


def _quieten() -> None:
    """Silences what Lightning says about every run, and advice that does not apply here."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (".* is not empty", ".* does not have many workers", "The dirpath has changed", ".*LeafSpec"):
        warnings.filterwarnings("ignore", message)


@contextmanager
def _keeping_interrupts() -> Iterator[None]:
    """Raises KeyboardInterrupt again, which Lightning turns into `sys.exit(1)` and so loses its message."""
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise stop.__context__ from None
        raise
