"""`lmf-sr evaluate`: PSNR and SSIM of a model on sets of images; a table on the terminal, a record in the job's folder."""

from collections.abc import Callable
from functools import partial

import rich
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import Progress

from lmf_sr.building import name_of
from lmf_sr.cmsr.savings import SavingsMeter
from lmf_sr.data import Source
from lmf_sr.devices import device_named
from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.evaluation.metrics import protocol_named
from lmf_sr.evaluation.quality import Upscaler, evaluate_sets
from lmf_sr.jobs.job import Outcome
from lmf_sr.jobs.settings import checkpoint_named, scale2mod, scales, trained_model
from lmf_sr.jobs.wandb_runs import to_wandb
from lmf_sr.results.records import Results
from lmf_sr.results.rows import joined, table


def job(cfg: DictConfig) -> Outcome:
    """Does one evaluation."""
    wanted = scales(cfg.scale)
    name, model, saving = _upscaler(cfg)
    source: Source = instantiate(cfg.data)
    protocol = protocol_named(cfg.protocol or source.protocol)

    with Progress(console=Console(stderr=True), transient=True) as progress:

        def begin(images: int) -> Callable[[], None]:
            return partial(progress.advance, progress.add_task("evaluating", total=images))

        found = evaluate_sets(model, source.evaluation(), wanted, protocol, saving, begin)
    results: Results = {name: found}
    shown = table(joined([results]), f"protocol {protocol.name}")
    return Outcome(
        results,
        {
            "the table": lambda: rich.print(shown.terminal()),
            "W&B": lambda: to_wandb(cfg, results, {name: model}),
        },
    )


def _upscaler(cfg: DictConfig) -> tuple[str, Upscaler, SavingsMeter | None]:
    """The model's name for the tables, the model, and what measures what CMSR saves, if it is asked for."""
    if cfg.ckpt == "bicubic":
        return "bicubic", Bicubic(), None
    model = trained_model(cfg).to(device_named(cfg.device))
    levels = scale2mod(cfg.cmsr, checkpoint_named(cfg), model)
    if levels is None:
        return name_of(model), model, None
    threshold = levels.table.mse_threshold
    label = "cmsr" if threshold is None else f"cmsr {threshold:g}"
    return f"{name_of(model)} {label}", model, SavingsMeter(model, levels, cfg.cmsr.repeats)
