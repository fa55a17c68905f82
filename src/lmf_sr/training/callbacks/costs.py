"""What the model costs at each validation scale, beside its PSNR: multiply-accumulates and latency of one LR picture.

    macs/x2            encoder and decoder together         latency_ms/x2
    macs_encoder/x2                                         latency_encoder_ms/x2
    macs_decoder/x2    in the papers' plain form            latency_decoder_ms/x2
    macs_decoder_as_run/x2    in the form that is run

Neither changes as the weights do: both are found at the first validation of a run and logged at each.
"""

from collections.abc import Sequence

from lightning.pytorch import Callback, Trainer

from lmf_sr.model import Model
from lmf_sr.profiling import Size, count_macs, measure_latency
from lmf_sr.training.module import SuperResolution


class _Costs(Callback):
    """Logs costs found once per run.

    Args:
        lr_size: height and width of the LR picture, in pixels.
    """

    def __init__(self, lr_size: Sequence[int] = (48, 48)) -> None:
        self.lr_size = lr_size[0], lr_size[1]

    def setup(self, trainer: Trainer, pl_module: SuperResolution, stage: str) -> None:
        self.costs: dict[str, float] = {}

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: SuperResolution) -> None:
        if not self.costs:
            for scale in trainer.datamodule.scales:
                h, w = self.lr_size
                costs = self.find(pl_module.model, (h, w), (round(h * scale), round(w * scale)))
                self.costs |= {f"{name}/x{scale:g}": float(cost) for name, cost in costs.items()}
        pl_module.log_dict(self.costs)

    def find(self, model: Model, lr_size: Size, hr_size: Size) -> dict[str, float]:
        raise NotImplementedError


class Macs(_Costs):
    """Multiply-accumulates of linear layers and convolutions."""

    def find(self, model: Model, lr_size: Size, hr_size: Size) -> dict[str, float]:
        macs = count_macs(model, lr_size, hr_size)
        return {
            "macs": macs.encoder + macs.decoder,
            "macs_encoder": macs.encoder,
            "macs_decoder": macs.decoder,
            "macs_decoder_as_run": macs.decoder_as_run,
        }


class Latency(_Costs):
    """Median milliseconds, after a warm-up, on the device that trains."""

    def find(self, model: Model, lr_size: Size, hr_size: Size) -> dict[str, float]:
        encoder, decoder = measure_latency(model, lr_size, hr_size)
        return {"latency_ms": encoder + decoder, "latency_encoder_ms": encoder, "latency_decoder_ms": decoder}
