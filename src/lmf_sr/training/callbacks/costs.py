"""The costs of the model at each validation scale, beside its PSNR: multiply-accumulates and latency of one LR picture.

    total_macs/x2             encoder and decoder together          total_ms/x2
    encoder_macs/x2                                                 encoder_ms/x2
    decoder_macs/x2           in the papers' plain form             decoder_ms/x2
    decoder_macs_as_run/x2    in the form that is run and timed

They do not change as the weights do, so they are found once in a run, and logged at each validation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lmf_sr.data import Pair
from lmf_sr.geometry import Size
from lmf_sr.model import Model
from lmf_sr.profiling import count_macs, measure_latency
from lmf_sr.training.learner import SuperResolution


class _Costs(Callback):
    """Logs costs per validation scale.

    Args:
        lr_size: height and width of the LR picture, in pixels.
    """

    def __init__(self, lr_size: Sequence[int] = (48, 48)) -> None:
        self.lr_size = lr_size[0], lr_size[1]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.costs: dict[float, dict[str, float]] = {}

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Pair, *_: Any
    ) -> None:
        if batch.scale not in self.costs:
            assert isinstance(pl_module, SuperResolution)
            height, width = (round(side * batch.scale) for side in self.lr_size)
            costs = self.find(pl_module.model, self.lr_size, (height, width))
            self.costs[batch.scale] = {f"{name}/x{batch.scale:g}": float(cost) for name, cost in costs.items()}

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for costs in self.costs.values():
            pl_module.log_dict(costs)

    def find(self, model: Model, lr_size: Size, hr_size: Size) -> Mapping[str, float | int]:
        raise NotImplementedError


class Macs(_Costs):
    """Multiply-accumulates of linear layers, convolutions and matrix products."""

    def find(self, model: Model, lr_size: Size, hr_size: Size) -> Mapping[str, float | int]:
        macs = count_macs(model, lr_size, hr_size)
        return {
            "total_macs": macs.encoder + macs.decoder,
            "encoder_macs": macs.encoder,
            "decoder_macs": macs.decoder,
            "decoder_macs_as_run": macs.decoder_as_run,
        }


class Latency(_Costs):
    """Median milliseconds, after a warm-up, on the device that trains, including the wait for it."""

    def find(self, model: Model, lr_size: Size, hr_size: Size) -> Mapping[str, float | int]:
        encoder, decoder = measure_latency(model, lr_size, hr_size)
        return {"total_ms": encoder + decoder, "encoder_ms": encoder, "decoder_ms": decoder}
