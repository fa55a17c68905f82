"""`last.ckpt`, from which a run resumes exactly. It is the state at the latest validation, after some minutes without
one, at the end, or at an interrupt."""

import os
import signal
import threading
from pathlib import Path
from time import monotonic
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from lmf_sr.training.learner import diverged

STOPPING = b"\nlmf-sr: stopping after this step; interrupt again to stop at once\n"


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt`; on Ctrl-C or SIGTERM, ends the step, writes the file and raises KeyboardInterrupt.

    Only finite weights are ever written. A second Ctrl-C stops at once and leaves the file as it was. (Lightning's
    `ModelCheckpoint` keeps the best state beside it. Its own last state would be the best one, or one in the middle of a
    step.)

    Args:
        path: the file to write.
        minutes: the time after which the file is written although no validation is due; None for never.
    """

    def __init__(self, path: str | Path, minutes: float | None = None) -> None:
        self.path, self.minutes = Path(path), minutes
        self.stop_asked_for = False
        self.saved_step = 0
        self.handlers: dict[int, Any] = {}  # the handlers of signals that are in force outside of training

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.stop_asked_for = False
        self.saved_step = trainer.global_step
        self.saved_at = monotonic()
        if threading.current_thread() is threading.main_thread():  # only there can signals be handled
            self.handlers = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        accumulating = (batch_idx + 1) % trainer.accumulate_grad_batches
        if accumulating:
            return
        if trainer.strategy.reduce_boolean_decision(self.stop_asked_for, all=False):
            self._save(trainer, pl_module)
            raise KeyboardInterrupt(f"step {trainer.global_step} is kept in {self.path}")
        if self.minutes is not None:
            due = monotonic() - self.saved_at >= 60 * self.minutes
            if trainer.strategy.reduce_boolean_decision(due, all=False):
                self._write(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer, pl_module)
        self._restore_handlers()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._restore_handlers()

    def _save(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step != self.saved_step:
            self._write(trainer, pl_module)
            self.saved_step = trainer.global_step

    def _write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not all(parameter.isfinite().all() for parameter in pl_module.parameters()):
            raise diverged("weights became infinite or not a number", trainer.global_step)
        trainer.save_checkpoint(self.path)
        self.saved_at = monotonic()

    def _ask(self, number: int, frame: Any) -> None:
        self.stop_asked_for = True
        signal.signal(signal.SIGINT, self.handlers[signal.SIGINT])
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # job managers repeat it, to the process and to its group
        os.write(2, STOPPING)

    def _restore_handlers(self) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers = {}
