"""Which recipe learns most in the same time: one change at a time from conf/experiment/budget.yaml; see README.md.

python experiments/04-budget-recipe/run.py train PHOTOGRAPHS RUNS [VARIANT ...] [--steps N]    goes on where it was stopped
python experiments/04-budget-recipe/run.py report RUNS experiments/04-budget-recipe            table.md

A variant takes the processor time of N steps of the recipe. What its own steps cost beside the recipe's is found by taking
both in turn, since a machine's speed changes; samples are drawn beside them, by another process.
"""

import argparse
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning import seed_everything
from omegaconf import DictConfig
from torch import nn

from lmf_sr.atomic import write_text
from lmf_sr.building import build
from lmf_sr.checkpoints import export
from lmf_sr.jobs.settings import as_dict
from lmf_sr.model import Model
from lmf_sr.paths import CONF
from lmf_sr.results.records import FILE, Record, read_record
from lmf_sr.results.table import Table

ROUNDS = 10  # steps of each, to time them
RECIPE = ["experiment=budget", "encoder=edsr-tiny", "decoder=lm-liif"]
QUIET = ["workers=1", "logger=csv", "callbacks.progress.refresh_rate=1000"]
FREE = {  # taken to cost no time
    *("seed", "init", "loss", "schedule", "schedule.pct_start", "optimizer.lr", "trainer.gradient_clip_val"),
    *("callbacks", "callbacks.ema.decay"),
}

PYTORCHS = "init=pytorchs"  # initial weights as PyTorch draws them, not as the decoders do

VARIANTS: dict[str, list[str]] = {
    "budget": [],
    "budget, another seed": ["seed=1"],
    "PyTorch's initial weights": [PYTORCHS],
    "LM-LTE": ["decoder=lm-lte"],
    "LM-LTE, PyTorch's initial weights": ["decoder=lm-lte", PYTORCHS],
    "Muon, lr 5e-4": ["optimizer.lr=5e-4"],
    "Muon, lr 2e-3": ["optimizer.lr=2e-3"],
    "Muon, lr 4e-3": ["optimizer.lr=4e-3"],
    "Adam, lr 1e-3": ["optimizer=adam", "optimizer.lr=1e-3"],
    "Adam, lr 3e-3": ["optimizer=adam", "optimizer.lr=3e-3"],
    "lr constant, not one cycle": ["schedule=halving"],
    "warm-up over 30 %, not 5 %": ["schedule.pct_start=0.3"],
    "batch 2": ["batch_size=2"],
    "batch 8": ["batch_size=8"],
    "patches of 24, batch 8": ["sampling.patch=24", "sampling.queries=576", "batch_size=8"],
    "256 queries a patch": ["sampling.queries=256"],
    "lr constant, average of weights": ["schedule=halving", "callbacks=[default,ema]", "callbacks.ema.decay=0.99"],
    "bf16": ["trainer.precision=bf16-mixed"],
    "gradients not clipped": ["trainer.gradient_clip_val=null"],
    "loss: mean square": ["loss=mse"],
}


class Learnt(NamedTuple):
    """The result of a variant."""

    name: str
    steps: int
    psnr: dict[float, float]

    @property
    def mean(self) -> float:
        return sum(self.psnr.values()) / len(self.psnr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    training = verbs.add_parser("train")
    training.add_argument("photographs", type=Path)
    training.add_argument("runs", type=Path)
    training.add_argument("variants", nargs="*", metavar="VARIANT")
    training.add_argument("--steps", type=int, default=800)
    reporting = verbs.add_parser("report")
    reporting.add_argument("runs", type=Path)
    reporting.add_argument("output", type=Path)
    options = parser.parse_args()
    if options.verb == "report":
        write_text(options.output / "table.md", report(sorted(learnt(options.runs), key=lambda found: -found.mean)))
        return
    for name in options.variants or VARIANTS:
        if not is_done(options.runs / folder_of(name)):
            train(name, options.photographs, options.runs, options.steps)


def folder_of(name: str) -> str:
    """A variant's folder."""
    return "".join(c if c.isalnum() else "-" for c in name)


def is_done(folder: Path) -> bool:
    return (folder / FILE).is_file() and read_record(folder / FILE).status == "done"


def train(name: str, photographs: Path, runs: Path, budget: int) -> None:
    """Trains a variant for the time of `budget` steps of the recipe."""
    folder, data = runs / folder_of(name), f"data.root={photographs}"
    if (folder / FILE).is_file():  # begun before: as many steps as then
        steps = read_record(folder / FILE).settings["trainer.max_steps"]
    else:
        costly = tuple(change for change in VARIANTS[name] if change.partition("=")[0] not in FREE)
        steps = round(budget / (relative_cost(costly) if costly else 1))
    print(f"{name}: {steps} steps", flush=True)
    changes = [change for change in VARIANTS[name] if change != PYTORCHS]
    if PYTORCHS in VARIANTS[name]:
        weights = runs / f"{folder_of(name)}.safetensors"
        export(with_pytorchs_weights(configuration(changes)), weights)
        changes.append(f"init={weights}")
    run([data, *changes], steps, folder)


def with_pytorchs_weights(cfg: DictConfig) -> Model:
    """The fresh model of a configuration, but for its decoder's linear layers: as PyTorch begins them."""
    seed_everything(cfg.seed, verbose=False)
    model = build(as_dict(cfg.encoder), as_dict(cfg.decoder))
    for module in model.decoder.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()
    return model


def configuration(changes: Sequence[str]) -> DictConfig:
    """The recipe's, changed."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[*RECIPE, *changes])


@cache
def relative_cost(changes: tuple[str, ...]) -> float:
    """The cost of a step with these changes over the recipe's, by the least processor time of a few of each, in turn."""
    torch.set_num_threads(1)
    times: dict[int, list[float]] = {0: [], 1: []}
    steps = [step(configuration(also)) for also in ((), changes)]
    for _ in range(ROUNDS):
        for number, take in enumerate(steps):
            before = time.process_time()
            take()
            times[number].append(time.process_time() - before)
    return min(times[1]) / min(times[0])


def step(cfg: DictConfig) -> Callable[[], None]:
    """A training step of a configuration, on noise."""
    model = build(as_dict(cfg.encoder), as_dict(cfg.decoder)).train()
    optimizer, loss = instantiate(cfg.optimizer)(model.parameters()), instantiate(cfg.loss)
    b, p, q = cfg.batch_size, cfg.sampling.patch, cfg.sampling.queries
    lr, coords, cell, rgb = (
        torch.rand(b, 3, p, p),
        torch.rand(b, q, 2),
        torch.full((b, 1, 2), 0.02),
        torch.rand(b, q, 3),
    )

    def take() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=cfg.trainer.precision == "bf16-mixed"):
            loss(model(lr, coords, cell), rgb).backward()
        optimizer.step()

    return take


def run(changes: Sequence[str], steps: int, folder: Path) -> None:
    """One job."""
    command = ["lmf-sr", "train", *RECIPE, *QUIET, *changes]
    command += [f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps}", f"hydra.run.dir={folder}"]
    subprocess.run(command, check=True)


def learnt(runs: Path) -> Iterator[Learnt]:
    """Yields the results of the variants that are done."""
    for name in VARIANTS:
        if is_done(runs / folder_of(name)):
            record: Record = read_record(runs / folder_of(name) / FILE)
            psnr = {r.scale: r.metrics["psnr"] for results in record.results.values() for r in results if r.set}
            yield Learnt(name, record.settings["trainer.max_steps"], psnr)


def report(found: Sequence[Learnt]) -> str:
    """A row for each variant, the best first."""
    budget = next(variant for variant in found if variant.name == "budget")
    scales = sorted(budget.psnr)
    header = ["", "steps", *(f"x{scale:g}" for scale in scales), "mean, against budget's"]
    lines = [
        [v.name, str(v.steps), *(f"{v.psnr[scale]:.2f}" for scale in scales), f"{v.mean - budget.mean:+.3f}"]
        for v in found
    ]
    return Table.of_text(header, lines).markdown()


if __name__ == "__main__":
    main()
