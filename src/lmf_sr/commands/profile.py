"""`lmf-sr profile`: parameters, MACs and latency of a model per scale; a table and a record in the job's folder."""

import rich
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from lmf_sr.building import name_of
from lmf_sr.devices import device_named
from lmf_sr.evaluation.costs import profile
from lmf_sr.jobs.job import Outcome
from lmf_sr.jobs.settings import configured_model, scales, size
from lmf_sr.jobs.wandb_runs import to_wandb
from lmf_sr.results.records import Results
from lmf_sr.results.rows import joined, table


def job(cfg: DictConfig) -> Outcome:
    """Does one profile."""
    wanted, lr_size = scales(cfg.scale), size(cfg.lr_size)
    model = configured_model(cfg).to(device_named(cfg.device))
    costs = profile(model, lr_size, wanted, cfg.latency, cfg.warmup, cfg.repeats, float(cfg.budget_s))
    found = [*track(costs, "profiling", len(wanted), console=Console(stderr=True), transient=True)]
    results: Results = {name_of(model): found}
    shown = table(joined([results]), f"LR picture of {lr_size[0]} x {lr_size[1]} pixels")
    return Outcome(
        results,
        {
            "the table": lambda: rich.print(shown.terminal()),
            "W&B": lambda: to_wandb(cfg, results, {name_of(model): model}),
        },
    )
