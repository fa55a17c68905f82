"""`lmf-sr calibrate`: which modulation intensity each decode scale is good for (CMSR), found on training images."""

import math
from pathlib import Path

import rich
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from lmf_sr.building import name_of
from lmf_sr.checkpoints import shipped_models
from lmf_sr.cmsr.calibration import Calibration, calibrate, evenly_spread
from lmf_sr.cmsr.fitting import fit
from lmf_sr.cmsr.measures import Measure
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.data import PairedImages, Source
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError
from lmf_sr.jobs.job import Outcome, job_folder
from lmf_sr.jobs.settings import calibration_of, checkpoint_named, scales, trained_model
from lmf_sr.results.records import Result


def job(cfg: DictConfig) -> Outcome:
    """One calibration; goes on with the file it finds, if that is one of the same model and scales.

    Raises:
        InputError: a decoder that has no modulations, a file of another calibration, images that are too small.
        KeyboardInterrupt: saying what is kept.
    """
    model = trained_model(cfg).to(device_named(cfg.device))
    model.conversion()  # refuses a base method
    if cfg.cmsr.mse_threshold is None:
        raise InputError("cmsr.mse_threshold is missing: give it as cmsr.mse_threshold=2e-5")
    path = _output(cfg)
    if path.suffix != ".json":
        raise InputError(f"output={path} cannot hold a calibration: its suffix is .json")
    measure = Measure(cfg.cmsr.measure)
    calibration = Calibration.empty(model, name_of(model), scales(cfg.targets), scales(cfg.decode_scales), measure)
    source: Source = instantiate(cfg.data)
    images = PairedImages("training", evenly_spread(source.training(), cfg.images))
    if path.is_file():
        calibration = _same(Calibration.load(path), calibration, images, path)
    elif measure.name == "learnt":
        calibration.measure = fit(model, images, calibration.scales)

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("calibrating", total=len(images))
        try:
            calibrate(calibration, model, images, path, lambda: progress.advance(task))
        except KeyboardInterrupt:
            done = len(calibration.images)
            raise KeyboardInterrupt(
                f"{done} images are kept in {path}; the same command with output={path} goes on from there"
            ) from None
    table = calibration.table(cfg.cmsr.mse_threshold, cfg.cmsr.aggregation)
    table_path = path.with_name(f"{path.stem}-{cfg.cmsr.mse_threshold:g}.yaml")
    table.save(table_path)
    rich.print(_shown(table))
    print(f"written: {path}, {table_path}")
    if path != calibration_of(checkpoint_named(cfg)):
        print(f"to use it: cmsr.table={path}")
    limits = [
        Result(target, {f"intensity_x{level.scale:g}": level.up_to for level in levels})
        for target, levels in table.targets.items()
    ]
    return Outcome({name_of(model): limits})


def _output(cfg: DictConfig) -> Path:
    """The calibration's file: by default beside a checkpoint of the user's; for a model that ships, in the job's folder."""
    if cfg.output:
        return Path(cfg.output)
    checkpoint = checkpoint_named(cfg)
    beside = calibration_of(checkpoint)
    is_shipped = checkpoint in shipped_models() and not Path(checkpoint).is_file()
    return job_folder() / beside.name if is_shipped else beside


def _same(begun: Calibration, wanted: Calibration, images: PairedImages, path: Path) -> Calibration:
    """The calibration that was begun in the file. Raises InputError if it is not the one that is wanted."""
    if begun.fingerprint != wanted.fingerprint:
        raise InputError(f"{path} is a calibration of other weights ({begun.model}): remove it, or name another output")
    if begun.measure.name != wanted.measure.name:
        raise InputError(
            f"{path} goes by the measure {begun.measure.name!r}, not {wanted.measure.name!r}: remove it, or name another "
            "output"
        )
    if begun.scales != wanted.scales:
        raise InputError(
            f"{path} is a calibration for the targets and decode scales {begun.scales}, not {wanted.scales}: "
            "remove it, or name another output"
        )
    if others := set(begun.images).difference(images.names()):
        raise InputError(
            f"{path} was begun on other images, {min(others)} among them: remove it, name another output, or calibrate on "
            "the same data with the same number of images"
        )
    return begun


def _shown(table: Scale2Mod) -> Table:
    decode_scales = sorted({level.scale for levels in table.targets.values() for level in levels})
    shown = Table(
        title=f"largest intensity ({table.measure.name}) for each scale ({table.aggregation} of {table.images} images)",
        title_justify="left",
    )
    shown.add_column("target", justify="right")
    for scale in decode_scales:
        shown.add_column(f"x{scale:g}", justify="right")
    for target, levels in table.targets.items():
        limits = {level.scale: f"{level.up_to:.3f}" if level.up_to < math.inf else "any" for level in levels}
        shown.add_row(f"x{target:g}", *(limits.get(scale, "") for scale in decode_scales))
    return shown
