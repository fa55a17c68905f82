"""The end of a W&B run: its metrics against scale, and a summary by which runs are sorted (`tracking.py`)."""

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger

from lmf_sr.profiling import count_parameters
from lmf_sr.training.learner import SuperResolution


class Summary(Callback):
    """Adds both as training ends; does nothing if W&B is not among the loggers."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SuperResolution)
        metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
        encoder, decoder = count_parameters(pl_module.model)
        summary = {**metrics, "encoder_parameters": encoder, "decoder_parameters": decoder}
        best = trainer.checkpoint_callback
        if isinstance(best, ModelCheckpoint) and best.best_model_score is not None:
            summary[f"best/{best.monitor}"] = best.best_model_score.item()
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                from lmf_sr.tracking import log_by_scale, split_by_scale  # loads W&B: a second

                log_by_scale(logger.experiment, split_by_scale(metrics))
                logger.experiment.summary.update(summary)
