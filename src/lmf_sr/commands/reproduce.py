"""`lmf-sr reproduce`: runs the commands of a plan (`conf/plan/`), and makes the report from their records.

Each command is a sweep in `out/STEP` that does nothing twice, so the whole does nothing twice. A command that fails is
named, the others run all the same, and the report has empty cells.
"""

import argparse
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lmf_sr.atomic import write_text
from lmf_sr.building import choices, original_of
from lmf_sr.checkpoints import load
from lmf_sr.commands.arguments import parser_for
from lmf_sr.data.pairs import Pair
from lmf_sr.errors import InputError
from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.evaluation.detailed_windows import detailed_crops, most_detailed
from lmf_sr.evaluation.quality import Upscaler
from lmf_sr.images import IMAGE_SUFFIXES
from lmf_sr.jobs import app
from lmf_sr.jobs.errors import explained
from lmf_sr.jobs.job import CHECKPOINT
from lmf_sr.model import Model
from lmf_sr.paths import CONF
from lmf_sr.reporting.report import CROPS, LIVE, write_report
from lmf_sr.results.plots import crop, side_by_side
from lmf_sr.results.records import FILE, Record, read_record
from lmf_sr.viewer.pictures import ShownModel, ShownPicture
from lmf_sr.viewer.standalone import page_of
from lmf_sr.viewer.textures import drawable

LIVE_SIDE = 64  # pixels of a crop that can be zoomed, before it is; 0.6 MB
METHODS = "methods"  # the names of the steps that train the methods begin so
PLACEHOLDERS = {name: [name] for name in ("METHODS", "CONVERSIONS", "ALL")}  # printed as they are in a dry run

EPILOG = f"""\
It trains what is missing, evaluates it, and writes out/report.html and out/tables/ (Markdown, CSV and LaTeX). Stopped at any
moment, it goes on when started again, and does nothing twice. A plan is a list of ordinary commands, each a sweep in a
folder of its own, out/STEP; the report is made from their records alone (lmf-sr report out).

options, as KEY=VALUE:
  plan      {", ".join(choices("plan"))} (demo)
  root      a folder with train/ (photographs) and benchmark/ (Set5/HR, ...); for plan=paper, with DIV2K's folders
  photos    training photographs, if they are not in train/ there
  seeds     of the trained methods, as 0,1,2: their rows become mean ± std (0)
  out       the folder of it all (reproduce/PLAN)

examples:
  lmf-sr reproduce plan=demo                         shipped photographs, small encoders: minutes on two cores
  lmf-sr reproduce plan=demo seeds=0,1 --train logger=csv
  lmf-sr reproduce plan=bench root=DATA              your photographs and benchmark sets: hours on two cores
  lmf-sr reproduce plan=paper root=DIV2K --dry-run   what it would run: the papers' recipe, weeks on one GPU
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError, once all else is done, if some commands failed."""
    options = _parser().parse_args(arguments)
    cfg = _configuration(options.settings)
    out, failures = Path(cfg.out), []
    commands = {step: [*_flat(command or [None])] for step, command in cfg.plan.steps.items()}
    for step, (verb, *given) in sorted(commands.items(), key=lambda command: command[1][0] != "train"):
        models = PLACEHOLDERS if options.dry_run else _models(out)
        if lacking := _lacking(verb, given, models, cfg.root):
            print(f"\n{step}: left out, because {lacking}")
            continue
        sweep = [
            "-m",
            *(_with_models(argument, models) for argument in given),
            f"hydra.sweep.dir={_quoted(f'{out}/{step}')}",
        ]
        sweep += options.train if verb == "train" else []
        print(f"\n{step}: lmf-sr {verb} {shlex.join(sweep)}", flush=True)
        if not options.dry_run and not _done(verb, sweep):
            failures.append(step)
    if options.dry_run:
        return
    _draw_crops(cfg, out)
    write_report(out, out, f"lmf-sr: {cfg.plan.name} reproduction")
    print(f"\nwritten: {out / 'report.html'}, {out / 'tables'}")
    if failures:
        raise InputError(f"{', '.join(failures)} failed, as told above; the same command does what is missing")


def _done(verb: str, sweep: Sequence[str]) -> bool:
    """Runs a sweep; says what failed."""
    try:
        app.run(verb, f"lmf_sr.commands.{verb}", sweep)
    except InputError as error:
        print(f"lmf-sr: {error}", file=sys.stderr)
        return False
    return True


def _configuration(settings: Sequence[str]) -> DictConfig:
    """Raises InputError for settings that make no sense, or a plan without what it needs."""
    for setting in settings:
        if setting.startswith("profile="):
            raise InputError(
                f"{setting} is now called plan={setting.partition('=')[2]}: lmf-sr profile is another verb"
            )
    overrides = [re.sub(r"^seeds=([\d,]+)$", r"seeds='\1'", given) for given in settings]  # no sweep of this verb
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("reproduce", overrides=overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise explained(error, "reproduce") or error from error
    if cfg.root is not None and not Path(cfg.root).is_dir():
        raise InputError(f"there is no folder {cfg.root}: root=DATA is one with train/ and benchmark/ in it")
    if cfg.photos is not None and not Path(cfg.photos).is_dir():
        raise InputError(f"there is no folder {cfg.photos}: photos=FOLDER holds the photographs to train on")
    if cfg.photos is None and cfg.root is not None:
        cfg.photos = _photographs(Path(cfg.root))
    for key, what in (cfg.plan.get("needs") or {}).items():
        if cfg[key] is None:
            raise InputError(f"plan={cfg.plan.name} needs {what}")
    return cfg


def _photographs(data: Path) -> str | None:
    """The folder of images among `data/train` and the folders in it that holds the most; None if there is none."""

    def count(folder: Path) -> int:
        return sum(file.suffix.lower() in IMAGE_SUFFIXES for file in folder.iterdir())

    train = data / "train"
    folders = [train, *sorted(path for path in train.iterdir() if path.is_dir())] if train.is_dir() else []
    best = max(folders, key=count, default=None)
    return str(best) if best and count(best) else None


def _flat(command: Sequence[Any]) -> Iterator[str]:
    """The parts of a command, with lists among them spread out."""
    for part in command:
        if OmegaConf.is_list(part):
            yield from part
        else:
            yield part


def _models(out: Path) -> dict[str, list[str]]:
    """The checkpoints trained so far, by the placeholder that stands for them (`ckpt=METHODS`)."""
    trainings = _trainings(out)
    methods = {str(path): record.configuration["decoder"]["name"] for path, record in trainings if _is_method(record)}
    conversions = [path for path, decoder in methods.items() if original_of(decoder)]
    return {
        "METHODS": [*methods],
        "CONVERSIONS": conversions,
        "ALL": ["bicubic", *(str(path) for path, _ in trainings)],
    }


def _is_method(training: Record) -> bool:
    """Whether a training is that of a method, rather than of a variant of one."""
    return str(training.sweep).startswith(METHODS)


def _with_models(argument: str, models: Mapping[str, Sequence[str]]) -> str:
    key, _, value = argument.partition("=")
    return f"ckpt={','.join(map(_quoted, models[value]))}" if key == "ckpt" else argument


def _lacking(
    verb: str | None, given: Sequence[str], models: Mapping[str, Sequence[str]], root: str | None
) -> str | None:
    """The reason why a step cannot be run; None if it can."""
    if verb is None:
        return "this plan does not include it"
    for key, _, value in (argument.partition("=") for argument in given):
        if key == "ckpt" and not models[value]:
            return "no model for this step has been trained yet"
        if key == "data.root" and not Path(value.strip("'")).is_dir():
            return f"there is no folder {value}" if root else "it needs root=DATA, which was not given"
    return None


def _trainings(out: Path) -> list[tuple[Path, Record]]:
    """Checkpoints of the trainings that are done, with their records."""
    found = ((path.parent / CHECKPOINT, read_record(path)) for path in sorted(out.glob(f"*/*/{FILE}")))
    return [(path, record) for path, record in found if record.verb == "train" and record.status == "done"]


def _draw_crops(cfg: DictConfig, out: Path) -> None:
    """Draws crops of the first seed of each method, unless the drawing is newer than every checkpoint. One can be zoomed."""
    path = out / CROPS
    trainings = [(ckpt, record) for ckpt, record in _trainings(out) if _is_method(record)]
    if not trainings or (path.exists() and all(path.stat().st_mtime > ckpt.stat().st_mtime for ckpt, _ in trainings)):
        return
    models: dict[str, Upscaler] = {"bicubic": Bicubic()}
    for ckpt, record in trainings:
        name = record.configuration["decoder"]["name"]
        if name not in models:
            models[name] = load(ckpt)
    wanted = cfg.plan.crops
    images = instantiate(trainings[0][1].configuration["data"]).validation()
    crops = dict(detailed_crops(models, images, wanted.images, wanted.scale, wanted.side))
    side_by_side(list(crops.values()), path, list(crops))
    for name, model in models.items():
        if crops and isinstance(model, Model) and drawable(model.decoder):
            first = next(iter(crops)).removesuffix(f" x{wanted.scale:g}")
            _write_live(ShownModel(name, model, {}), images.pair(first, wanted.scale), out / LIVE)
            break


def _write_live(model: ShownModel, pair: Pair, path: Path) -> None:
    """Writes a page with the most detailed window of a reduced picture, as the model renders it."""
    window = crop(pair.lr.float(), most_detailed(pair.lr / 255, LIVE_SIDE)).byte()
    write_text(path, page_of(ShownPicture(f"{pair.name} /{pair.scale:g}", window), model))


def _quoted(text: str) -> str:
    """The text so quoted that Hydra reads it back as one string."""
    return text if re.fullmatch(r"[\w./+@-]+", text) else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("reproduce", "Reproduce the paper's tables and figures, from training to report.", EPILOG)
    parser.add_argument("settings", metavar="KEY=VALUE", nargs="*", help="see below")
    parser.add_argument("--train", metavar="KEY=VALUE", nargs="+", default=[], help="more arguments for every training")
    parser.add_argument("--dry-run", action="store_true", help="only print the commands")
    return parser
