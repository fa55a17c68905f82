"""The LightningModule around any `Model`: a loss on normalised values; that of LIIF and its successors is

    loss = mean |model(lr, coords, cell) - rgb|

Everything a step depends on besides the weights is a function of the step: its samples (`data/patches.py`) and its random
numbers (SwinIR drops paths at random). A resumed run therefore repeats an uninterrupted one bit for bit.
"""

from collections.abc import Callable, Iterable
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lmf_sr.building import defaults
from lmf_sr.checkpoints import check_fit
from lmf_sr.data import Pair, Sample
from lmf_sr.errors import InputError
from lmf_sr.model import Model

OptimizerFactory = Callable[[Iterable[torch.nn.Parameter]], Optimizer]
ScheduleFactory = Callable[[Optimizer], LRScheduler]
Loss = Callable[[Float[Tensor, "B Q 3"], Float[Tensor, "B Q 3"]], Float[Tensor, ""]]


class SuperResolution(lightning.LightningModule):
    """Trains a model on `Sample`s; validates it on `Pair`s, of which `validation_step` returns the rendering.

    Checkpoints hold tensors and plain containers only, and the model's configuration, so that they are read without
    running code and the model can be built from them (`checkpoints.py`).

    Args:
        model: what is trained.
        optimizer: makes the optimiser of the parameters.
        schedule: makes the learning-rate schedule, stepped after every optimiser step.
        loss: of a prediction and what it should be.
        seed: of the random numbers that training steps draw.
    """

    def __init__(
        self,
        model: Model,
        optimizer: OptimizerFactory,
        schedule: ScheduleFactory | None = None,
        loss: Loss = F.l1_loss,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.optimizer, self.schedule, self.seed = optimizer, schedule, seed
        self.loss = loss
        self.save_hyperparameters({"model": model.config})

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.model.parameters())
        if self.schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.schedule(optimizer), "interval": "step"}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raises InputError if the checkpoint is of another architecture, or lacks weights."""
        path = str(self.trainer.ckpt_path)
        found = checkpoint["hyper_parameters"].get("model", {})
        for part, options in self.model.config.items():
            for option, value in options.items():
                theirs = (defaults(part, options["name"]) | found.get(part, {})).get(
                    option
                )  # files may predate options
                if theirs != value:
                    raise InputError(
                        f"{path} holds a model with {part} {option} {theirs}, not {value}: "
                        "resume it with the encoder and decoder it was trained with"
                    )
        weights = {name.removeprefix("model."): value for name, value in checkpoint["state_dict"].items()}
        check_fit(self.model, weights, path)

    def on_train_batch_start(self, batch: Sample, batch_idx: int) -> None:
        torch.manual_seed(self.seed + self.global_step * self.trainer.world_size + self.global_rank)

    def training_step(self, batch: Sample, batch_idx: int) -> Float[Tensor, ""]:
        """The loss. Raises InputError, before it can spoil the weights, if it is not finite on any process."""
        loss = self.loss(self.model(batch.lr, batch.coords, batch.cell), batch.rgb)
        if not self.trainer.strategy.reduce_boolean_decision(bool(loss.isfinite())):
            raise diverged(f"the loss became {loss.item():g}", self.global_step)
        self.log("loss", loss, prog_bar=True)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Sample, batch_idx: int) -> None:
        # Whatever the validation interval, a run ends with a validation, and so with a checkpoint.
        if self.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True

    def validation_step(self, pair: Pair, batch_idx: int) -> Float[Tensor, "3 H W"]:
        """The rendering of the LR image at the size of the HR image, in [0, 1]."""
        height, width = pair.hr.shape[1:]
        return self.model.encode(pair.lr / 255).render(height, width)[0]


def diverged(what: str, step: int) -> InputError:
    """The error for a training that has gone wrong beyond repair."""
    return InputError(
        f"{what} at step {step}, and training has stopped; what checkpoints there are were written before that: "
        "start again with a lower optimizer.lr, or resume with trainer.gradient_clip_val=0.1"
    )
