"""The LightningModule around any `Model`, which is trained by a loss on normalised values. That of LIIF and its
successors is

    loss = mean |model(lr, coords, cell) - rgb|

Besides the weights, a step depends on its samples (`data/patches.py`) and on random numbers (SwinIR drops paths at random).
Both are functions of the step, so a resumed run repeats an uninterrupted one bit for bit.
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from jaxtyping import Float
from lightning.pytorch.callbacks import Timer
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lmf_sr.building import defaults
from lmf_sr.checkpoints import check_fit
from lmf_sr.data import Pair, Sample
from lmf_sr.errors import InputError
from lmf_sr.model import Model
from lmf_sr.training.resuming import Settings, changes, check_optimizer, kept_settings, replace_rates, shaping
from lmf_sr.training.schedules import ByTime
from lmf_sr.training.watch import LossWatch

OptimizerFactory = Callable[[Iterable[torch.nn.Parameter]], Optimizer]
ScheduleFactory = Callable[[Optimizer], LRScheduler]
Loss = Callable[[Float[Tensor, "B Q 3"], Float[Tensor, "B Q 3"]], Float[Tensor, ""]]


class SuperResolution(lightning.LightningModule):
    """Trains a model on `Sample`s; validates it on `Pair`s, of which `validation_step` returns the rendering.

    Checkpoints hold only tensors and plain containers, so that they are read without running code, and the model's
    configuration, from which the model can be built (`checkpoints.py`).

    Args:
        model: the model to train.
        optimizer: makes the optimiser of the parameters.
        schedule: makes the learning-rate schedule, stepped after every optimiser step.
        loss: compares a prediction with the truth.
        seed: seeds the random numbers that training steps draw.
        settings: the settings by dotted keys; a checkpoint keeps those that shape the weights (`resuming.py`).
        checked_every: steps between two checks that losses are finite; None for the number that suits the device
            (`watch.py`).
    """

    def __init__(
        self,
        model: Model,
        optimizer: OptimizerFactory,
        schedule: ScheduleFactory | None = None,
        loss: Loss = F.l1_loss,
        seed: int = 0,
        settings: Settings | None = None,
        checked_every: int | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.optimizer, self.schedule, self.seed = optimizer, schedule, seed
        self.loss = loss
        self.settings = shaping(settings or {})
        self.resumed_step: int | None = None  # the step of the checkpoint that the run went on from
        self.watch = LossWatch(checked_every)
        self.save_hyperparameters({"model": model.config})

    def configure_optimizers(self) -> Any:
        optimizer, schedule = self._optimization()
        if schedule is None:
            return optimizer
        if isinstance(schedule, ByTime):
            if not self._timers():
                raise InputError("a schedule by time needs the time a run may take: give trainer.max_time=00:00:10:00")
            schedule.progress = self._progress
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _optimization(self) -> tuple[Optimizer, LRScheduler | None]:
        """A new optimiser and its schedule. Raises InputError for options that make no sense."""
        try:
            optimizer = self.optimizer(self.model.parameters())
            return optimizer, None if self.schedule is None else self.schedule(optimizer)
        except ValueError as error:
            raise InputError(
                f"the optimiser or its schedule refuses its options: {error}; a run without trainer.max_steps takes "
                "schedule=time"
            ) from error

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Raises InputError if the schedule has come to its end before the run."""
        try:
            super().lr_scheduler_step(scheduler, metric)
        except ValueError as error:
            raise InputError(
                f"the schedule of the learning rate ends before the run, at step {self.global_step}: give it as many "
                "steps as trainer.max_steps"
            ) from error

    def _timers(self) -> list[Timer]:
        """The trainer's clock of `trainer.max_time`, if it has one."""
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        return [found for found in callbacks if isinstance(found, Timer) and found.time_remaining() is not None]

    def _progress(self) -> float:
        """The share of `trainer.max_time` that has passed. All processes go by the clock of the first one."""
        (timer,) = self._timers()
        elapsed, remaining = timer.time_elapsed(), timer.time_remaining()
        assert remaining is not None
        return float(self.trainer.strategy.broadcast(elapsed / (elapsed + remaining)))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raises InputError, so that no file is written, if a loss was not finite."""
        self._check_losses()
        checkpoint["settings"] = self.settings

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes from the checkpoint what `resuming.py` lists, and names changed settings on stdout.

        Raises:
            InputError: the checkpoint is of another architecture or optimiser, or lacks weights.
        """
        path = str(self.trainer.ckpt_path)
        config = checkpoint["hyper_parameters"].get("model", {})
        for part, options in self.model.config.items():
            their_options = defaults(part, options["name"]) | config.get(part, {})  # files may predate options
            for option, value in options.items():
                theirs = their_options.get(option)
                if theirs != value:
                    raise InputError(
                        f"{path} holds a model with {part} {option} {theirs}, not {value}: "
                        "resume it with the encoder and decoder it was trained with"
                    )
        weights = {name.removeprefix("model."): value for name, value in checkpoint["state_dict"].items()}
        check_fit(self.model, weights, path)
        there = kept_settings(checkpoint, Path(path))
        optimizer, schedule = self._optimization()
        check_optimizer(optimizer, checkpoint, there, Path(path))
        self.resumed_step = step = int(checkpoint["global_step"])
        different = changes(there, self.settings)
        if 0 <= self.trainer.max_steps <= step:
            return
        if any(key.startswith(("optimizer.", "schedule.")) for key in different):
            replace_rates(checkpoint, optimizer, schedule)
        if different and self.trainer.is_global_zero:
            print(f"{path} goes on from step {step} with {', '.join(different.values())}")

    def on_train_start(self) -> None:
        schedule = self.lr_schedulers()
        if isinstance(schedule, ByTime):
            schedule.refresh()

    def on_train_batch_start(self, batch: Sample, batch_idx: int) -> None:
        torch.manual_seed(self.seed + self.global_step * self.trainer.world_size + self.global_rank)

    def training_step(self, batch: Sample, batch_idx: int) -> Float[Tensor, ""]:
        """The loss. Raises InputError if it is not finite on any process.

        It does so on a CPU before the loss can spoil the weights, and on a GPU before a checkpoint can hold them
        (`watch.py`).
        """
        loss = self.loss(self.model(batch.lr, batch.coords, batch.cell), batch.rgb)
        if self.watch.see(loss, self.global_step):
            self._check_losses()
        self.log("loss", loss)
        # A tensor, because Lightning would send a number to the device and wait for it.
        self.log("lr", torch.tensor(self.trainer.optimizers[0].param_groups[0]["lr"]))
        return loss

    def _check_losses(self) -> None:
        found = self.watch.nan_or_infinite()
        if not self.trainer.strategy.reduce_boolean_decision(found is None):
            step, loss = found or (self.global_step, math.nan)  # another process found it
            raise diverged(f"the loss became {loss:g}", step)

    def on_validation_start(self) -> None:
        self._check_losses()

    def on_fit_start(self) -> None:
        self.watch = LossWatch(self.watch.every)
        if self.device.type == "cuda" and str(self.trainer.precision).endswith("mixed"):
            # In half precision, convolutions read weights and features in this order.
            self.model.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def on_train_batch_end(self, outputs: Any, batch: Sample, batch_idx: int) -> None:
        # Whatever the validation interval, a run ends with a validation, and so with a checkpoint.
        if self.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True

    def validation_step(self, pair: Pair, batch_idx: int) -> Float[Tensor, "3 H W"]:
        """The rendering of the LR image at the size of the HR image, in [0, 1]."""
        height, width = pair.hr.shape[1:]
        return self.model.encode(pair.lr_picture).render(height, width)[0]


def diverged(what: str, step: int) -> InputError:
    """The error for a training that has gone wrong beyond repair."""
    return InputError(
        f"{what} at step {step}, and training has stopped; all checkpoints were written before that: "
        "start again with a lower optimizer.lr, or resume with one, or with trainer.gradient_clip_val=0.1"
    )
