"""Which recipe learns most in the same time: one change at a time from conf/experiment/budget.yaml; see README.md.

python experiments/04-budget-recipe/run.py train PHOTOGRAPHS RUNS [VARIANT ...] [--steps N]    goes on where it was stopped
python experiments/04-budget-recipe/run.py report RUNS experiments/04-budget-recipe            table.md

A variant takes the processor time of N steps of the recipe, validation not counted. What its own steps cost beside the
recipe's is found by running both in turn, since a machine's speed changes.
"""

import argparse
import resource
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from lmf_sr.atomic import replacing
from lmf_sr.evaluation.records import FILE, Record, read_record

FEW, MANY, ROUNDS = 5, 45, 3  # steps, to time them
RECIPE = ["experiment=budget", "encoder=edsr-tiny", "decoder=lm-liif"]
QUIET = ["workers=1", "logger=csv", "callbacks.progress.refresh_rate=1000"]
FREE = {"seed", "loss", "schedule", "schedule.pct_start", "optimizer.lr", "trainer.gradient_clip_val"}  # cost no time

VARIANTS: dict[str, list[str]] = {
    "budget": [],
    "budget, another seed": ["seed=1"],
    "Muon, lr 5e-4": ["optimizer.lr=5e-4"],
    "Muon, lr 2e-3": ["optimizer.lr=2e-3"],
    "Muon, lr 4e-3": ["optimizer.lr=4e-3"],
    "Adam, lr 3e-4": ["optimizer=adam", "optimizer.lr=3e-4"],
    "Adam, lr 1e-3": ["optimizer=adam", "optimizer.lr=1e-3"],
    "Adam, lr 3e-3": ["optimizer=adam", "optimizer.lr=3e-3"],
    "lr constant, not one cycle": ["schedule=halving"],
    "warm-up over 30 %, not 5 %": ["schedule.pct_start=0.3"],
    "batch 4": ["batch_size=4"],
    "batch 16": ["batch_size=16"],
    "patches of 24, batch 16": ["sampling.patch=24", "sampling.queries=576", "batch_size=16"],
    "256 queries a patch": ["sampling.queries=256"],
    "lr constant, average of weights": ["schedule=halving", "callbacks=[default,ema]", "callbacks.ema.decay=0.99"],
    "bf16": ["trainer.precision=bf16-mixed"],
    "gradients not clipped": ["trainer.gradient_clip_val=null"],
    "loss: mean square": ["loss=mse"],
}


class Learnt(NamedTuple):
    """What came of a variant."""

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
    training.add_argument("--steps", type=int, default=600)
    reporting = verbs.add_parser("report")
    reporting.add_argument("runs", type=Path)
    reporting.add_argument("output", type=Path)
    options = parser.parse_args()
    if options.verb == "report":
        with replacing(options.output / "table.md") as file:
            file.write(report(sorted(learnt(options.runs), key=lambda found: -found.mean)).encode())
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
        steps = round(budget / (relative_cost(costly, data) if costly else 1))
    print(f"{name}: {steps} steps", flush=True)
    run([data, *VARIANTS[name]], steps, folder)


@cache
def relative_cost(changes: tuple[str, ...], data: str) -> float:
    """Of a step with these changes, beside one of the recipe: by the least of a few runs of each, in turn."""
    times: dict[tuple[int, int], list[float]] = {}
    with TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            for way in (changes, ()):
                for steps in (FEW, MANY):
                    seconds = run([data, *way], steps, Path(folder) / f"{number}-{len(way)}-{steps}")
                    times.setdefault((len(way), steps), []).append(seconds)
    of_variant, of_recipe = (min(times[size, MANY]) - min(times[size, FEW]) for size in (len(changes), 0))
    return of_variant / of_recipe


def run(changes: Sequence[str], steps: int, folder: Path) -> float:
    """One job; the seconds of processor time it took."""
    command = ["lmf-sr", "train", *RECIPE, *QUIET, *changes]
    command += [f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps}", f"hydra.run.dir={folder}"]
    before = used()
    subprocess.run(command, check=True)
    return used() - before


def used() -> float:
    """Processor time of the jobs that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def learnt(runs: Path) -> Iterator[Learnt]:
    """Of the variants that are done."""
    for name in VARIANTS:
        if is_done(runs / folder_of(name)):
            record: Record = read_record(runs / folder_of(name) / FILE)
            psnr = {r.scale: r.metrics["psnr"] for results in record.results.values() for r in results if r.set}
            yield Learnt(name, record.settings["trainer.max_steps"], psnr)


def report(found: Sequence[Learnt]) -> str:
    """A row for each variant, the best first."""
    budget = next(variant for variant in found if variant.name == "budget")
    scales = sorted(budget.psnr)
    lines = [f"| | steps | {' | '.join(f'x{scale:g}' for scale in scales)} | mean, against budget's |"]
    lines.append("| --- |" + " ---: |" * (len(scales) + 2))
    for variant in found:
        psnr = " | ".join(f"{variant.psnr[scale]:.2f}" for scale in scales)
        lines.append(f"| {variant.name} | {variant.steps} | {psnr} | {variant.mean - budget.mean:+.3f} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
