"""The progress bar of a run."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Timer, TQDMProgressBar


class Progress(TQDMProgressBar):
    """Counts the steps of the whole run, also of a resumed one. A run that ends by time has no known number of steps.

    Lightning's own bar counts the batches of an epoch, and a run has only one epoch. The loss is asked for when it is shown,
    because a module that logs it for Lightning's bar would wait for a GPU at each step.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        batches_per_step = trainer.accumulate_grad_batches
        timed = any(isinstance(other, Timer) for other in trainer.callbacks)  # type: ignore[attr-defined]
        self.train_progress_bar.reset(total=None if timed else trainer.max_steps * batches_per_step)
        self.train_progress_bar.initial = trainer.global_step * batches_per_step
        self.train_progress_bar.set_description("training")

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        pass

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        if "loss" in trainer.callback_metrics:
            metrics["loss"] = trainer.callback_metrics["loss"].item()
        return {name: value for name, value in metrics.items() if name != "v_num"}
