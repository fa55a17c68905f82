"""The parts of a configuration that several verbs read: the model, its Scale2Mod table, scales and sizes."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from lmf_sr.building import build
from lmf_sr.checkpoints import checkpoint_file, load, shipped_models
from lmf_sr.cmsr.calibration import table_from
from lmf_sr.cmsr.files import authors_file
from lmf_sr.cmsr.table import BoundTable
from lmf_sr.errors import InputError
from lmf_sr.geometry import Size
from lmf_sr.jobs.job import overrides
from lmf_sr.model import Model


def trained_model(cfg: DictConfig) -> Model:
    """The model of the checkpoint `ckpt`, a file or a shipped name; without one, the shipped model of `encoder` and
    `decoder`.

    Raises:
        InputError: no such file or model, or one that is not of the encoder, decoder or option given on the command line.
    """
    checkpoint = checkpoint_named(cfg)
    if cfg.ckpt is None and checkpoint not in shipped_models():
        shipped = ", ".join(shipped_models()) or "none"
        raise InputError(f"no trained {checkpoint} ships with lmf-sr (shipped: {shipped}): give one as ckpt=FILE")
    model = load(checkpoint)
    for override in overrides():
        _check_agreement(model, cfg, override.partition("=")[0])
    return model


def configured_model(cfg: DictConfig) -> Model:
    """The model of the checkpoint `ckpt`; without one, a fresh model of `encoder` and `decoder`."""
    if cfg.ckpt is not None:
        return trained_model(cfg)
    torch.manual_seed(cfg.seed)
    return build(as_dict(cfg.encoder), as_dict(cfg.decoder)).eval()


def checkpoint_named(cfg: DictConfig) -> str:
    """The file or the shipped name of `trained_model`."""
    return str(cfg.ckpt or f"{cfg.encoder.name}-{cfg.decoder.name}")


def calibration_of(checkpoint: str) -> Path:
    """The file beside a checkpoint, a file or a shipped name, in which its calibration is looked for, as
    `last.cmsr.json`."""
    return checkpoint_file(checkpoint).with_suffix(".cmsr.json")


def table_file(options: DictConfig | Namespace, checkpoint: str, model: Model) -> Path:
    """The file that `options.table` names; without one, the calibration beside the checkpoint, be it there or not."""
    if options.table == "authors":
        return authors_file(model.config["decoder"]["name"])
    return Path(options.table or calibration_of(checkpoint))


def scale2mod(options: DictConfig | Namespace, checkpoint: str, model: Model) -> BoundTable | None:
    """The table that the keys of `cmsr`, or arguments of these names, ask for; None if CMSR is off.

    The model is of `checkpoint`, a file or a shipped name.

    Raises:
        InputError: a missing or unfit file, a table of other weights or another threshold, or a decoder that has none.
    """
    if options.mse_threshold is None and options.table is None:
        return None
    model.conversion()  # refuses a base method
    path = table_file(options, checkpoint, model)
    if options.table is None and not path.is_file():
        raise InputError(
            f"there is no calibration {path} for this model: make it with lmf-sr calibrate, or name another table"
        )
    return table_from(path, options.mse_threshold, options.aggregation).bound_to(model)


def as_dict(cfg: DictConfig) -> dict[str, Any]:
    """The configuration, or a part of it, resolved."""
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def scales(value: Any) -> list[float]:
    """The list of scales, from one scale or a list. Raises InputError for anything but numbers of at least 1."""
    values = list(value) if OmegaConf.is_list(value) else [value]
    for scale in values:
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 1 <= scale < math.inf:
            raise InputError(f"scale {scale} makes no picture larger: a scale is a number of at least 1")
    if not values:
        raise InputError("scale=[] holds no scale: give at least one, as in scale=[2,3.5]")
    return [float(scale) for scale in values]


def size(value: Any) -> Size:
    """Height and width. Raises InputError for anything but two whole numbers of at least 1."""
    sides = list(value) if OmegaConf.is_list(value) else []
    if len(sides) != 2 or not all(isinstance(side, int) and side >= 1 for side in sides):
        raise InputError(f"{value} is no size: give height and width in pixels, as in lr_size=[180,320]")
    return sides[0], sides[1]


def _check_agreement(model: Model, cfg: DictConfig, key: str) -> None:
    """Raises InputError if an encoder, a decoder or an option of one, named on the command line, is not the checkpoint's."""
    part, _, option = key.partition(".")
    if part in ("encoder", "decoder"):
        option = option or "name"
        given, own = cfg[part][option], model.config[part].get(option)
        if given != own:
            raise InputError(
                f"{checkpoint_named(cfg)} holds a model with {part} {option} {own!r}, not {given!r}: leave {key} out"
            )
