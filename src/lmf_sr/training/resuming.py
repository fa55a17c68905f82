"""The parts that a resumed training takes from its checkpoint, and those from the command that resumes it.

    from the checkpoint    weights, the optimiser's moments, the step, callbacks' state
    from the command       everything else: a setting that differs takes effect from that step on, and is named

The learning rate of step t is the one that the command's optimiser and schedule have at step t, so that a schedule may be
stretched or replaced. Another optimiser is refused, because the moments of one mean nothing to another.
"""

import itertools
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lmf_sr.errors import InputError
from lmf_sr.results.records import FILE, read_record

Settings = Mapping[str, Any]
"""A training's settings by dotted keys, as they are given on the command line."""

SHAPING = ("optimizer", "schedule", "loss", "sampling", "data", "batch_size", "seed")
SHAPING_OF_TRAINER = ("max_steps", "max_time", "precision", "gradient_clip_val", "accumulate_grad_batches")

MOMENTS = {"exp_avg": "Adam", "momentum": "Muon"}
"""The optimisers of checkpoints that predate kept settings, by an entry of their states."""


def shaping(settings: Settings) -> dict[str, Any]:
    """The settings that shape the weights, which a checkpoint keeps."""
    return {
        key: value
        for key, value in settings.items()
        if key.partition(".")[0] in SHAPING
        or (key.startswith("trainer.") and key.removeprefix("trainer.").startswith(SHAPING_OF_TRAINER))
    }


def kept_settings(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The settings that a checkpoint was trained with. Those of an older file come from the record beside it, if any."""
    settings: dict[str, Any] = checkpoint.get("settings", {})
    if not settings:
        with suppress(InputError):
            record = read_record(path.parent / FILE)
            settings = shaping(record.settings) if record.verb == "train" else {}
    return settings


def changes(there: Settings, here: Settings) -> dict[str, str]:
    """The settings that differ, each with its words for a sentence; empty if either side kept no settings."""
    if not there or not here:
        return {}
    return {
        key: f"{key}={here.get(key, 'nothing')} (before: {there.get(key, 'nothing')})"
        for key in {**there, **here}
        if there.get(key) != here.get(key)
    }


def check_optimizer(optimizer: Optimizer, checkpoint: Mapping[str, Any], there: Settings, path: Path) -> None:
    """Raises InputError if the checkpoint holds the moments of another optimiser."""
    states = checkpoint["optimizer_states"][0]["state"].values()
    by_moments = [name for entry, name in MOMENTS.items() if any(entry in state for state in states)]
    before = str(there.get("optimizer._target_", "")).rpartition(".")[2] or "".join(by_moments)
    now = type(optimizer).__name__
    if before and before != now:
        raise InputError(
            f"{path} was trained by {before}, not {now}, to which its moments mean nothing: resume it with its own "
            f"optimizer, or begin a new training with its weights by init={path}"
        )


def replace_rates(checkpoint: dict[str, Any], optimizer: Optimizer, schedule: LRScheduler | None) -> None:
    """Gives a checkpoint the options of an optimiser and schedule that are new, as they are at the checkpoint's step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the schedule runs ahead of the optimiser, whose steps are in the checkpoint
        for _ in itertools.repeat(None, checkpoint["global_step"]):
            if schedule is not None:
                schedule.step()
    checkpoint["optimizer_states"][0]["param_groups"] = optimizer.state_dict()["param_groups"]
    checkpoint["lr_schedulers"] = [] if schedule is None else [schedule.state_dict()]
