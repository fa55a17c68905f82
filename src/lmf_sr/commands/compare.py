"""`lmf-sr compare`: several models on the same images; a table, figures, crops and records in the job's folder."""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import rich
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import Progress

from lmf_sr.atomic import write_text
from lmf_sr.building import name_of
from lmf_sr.checkpoints import load
from lmf_sr.data import Source
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError
from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.evaluation.costs import profile
from lmf_sr.evaluation.detailed_windows import detailed_crops
from lmf_sr.evaluation.metrics import protocol_named
from lmf_sr.evaluation.quality import Upscaler, evaluate_sets
from lmf_sr.jobs.job import Outcome, job_folder, overrides
from lmf_sr.jobs.settings import scales, size
from lmf_sr.jobs.wandb_runs import to_wandb
from lmf_sr.model import Model
from lmf_sr.results import plots
from lmf_sr.results.columns import IN_FILES_ONLY
from lmf_sr.results.records import Results, environment
from lmf_sr.results.rows import joined, table
from lmf_sr.text import printable

DETAILS = IN_FILES_ONLY | {"ssim", "encoder_parameters", "decoder_macs_as_run"}  # in table.csv and the records only


def job(cfg: DictConfig) -> Outcome:
    """Does one comparison."""
    folder = job_folder()
    wanted, lr_size = scales(cfg.scale), size(cfg.lr_size)
    models = _models([cfg.models] if isinstance(cfg.models, str) else cfg.models, cfg.device)
    source: Source = instantiate(cfg.data)
    protocol = protocol_named(cfg.protocol or source.protocol)
    sets = source.evaluation()

    results: Results = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for name, model in models.items():

            def begin(images: int, task: str = f"{name}: images") -> Callable[[], None]:
                return partial(progress.advance, progress.add_task(task, total=images))

            results[name] = evaluate_sets(model, sets, wanted, protocol, begin=begin)
            if isinstance(model, Model):
                costs = progress.add_task(f"{name}: costs", total=len(wanted))
                for result in profile(model, lr_size, wanted, budget_s=cfg.budget_s):
                    results[name].append(result)
                    progress.advance(costs)

    rows = joined([results])
    hardware = environment()["hardware"]
    about = (
        f"PSNR by protocol {protocol.name}. Costs of an LR picture of {lr_size[0]} x {lr_size[1]} pixels, latency on "
        f"{', '.join(hardware['gpus']) or hardware['processor']} with {hardware['threads']} threads.\n\n"
        f"    lmf-sr compare {shlex.join(overrides())}\n"
    )
    write_text(folder / "table.md", printable(f"{table(rows, without=DETAILS).markdown()}\n{about}"))
    write_text(folder / "table.csv", table(rows, without=()).csv())
    quality, cost = (
        joined([{model: [r for r in found if (r.set is None) == is_cost] for model, found in results.items()}])
        for is_cost in (False, True)
    )

    def show() -> None:
        rich.print(table(quality, f"protocol {protocol.name}", DETAILS).terminal())
        if cost:
            rich.print(table(cost, f"costs at {lr_size[0]} x {lr_size[1]}", DETAILS).terminal())
        print(f"written: {folder}/table.md, table.csv")

    def draw() -> None:
        first_set = [row for row in rows if row.set == sets[0].name]
        plots.against_scale(first_set, folder / "comparison.png", title=f"on {sets[0].name}")
        crops = dict(detailed_crops(models, sets[0], cfg.crop.images, cfg.crop.scale, cfg.crop.side))
        if crops:
            plots.side_by_side(list(crops.values()), folder / "crops.png", list(crops))
        print(f"written: {folder}/comparison.png{', crops.png' if crops else ''}")

    return Outcome(
        results, {"the table": show, "drawing the figures": draw, "W&B": lambda: to_wandb(cfg, results, models)}
    )


def _models(sources: Sequence[str], device: str) -> dict[str, Upscaler]:
    """The models to compare, by name. If two are of one kind, the names tell their files apart."""
    loaded = {source: Bicubic() if source == "bicubic" else load(source).to(device_named(device)) for source in sources}
    if not loaded:
        raise InputError(
            "models=[] compares nothing: give checkpoint files, shipped names or bicubic, as in models=[bicubic,last.ckpt]"
        )
    kinds = {source: name_of(model) if isinstance(model, Model) else source for source, model in loaded.items()}
    shared = {kind for kind, count in Counter(kinds.values()).items() if count > 1}
    return {
        f"{kind} ({number} {_short(Path(source))})" if kind in shared else kind: loaded[source]
        for number, (source, kind) in enumerate(kinds.items(), 1)
    }


def _short(file: Path) -> str:
    """A checkpoint's file and folder, or a shipped model's name."""
    return "-".join(filter(None, [file.parent.name, file.stem]))
