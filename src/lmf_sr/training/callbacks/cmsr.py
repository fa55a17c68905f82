"""Logs what CMSR would save with the model as it is now, at each validation scale above 4, on the validation images.

    cmsr_psnr/x8          PSNR with CMSR, beside `psnr/x8`, that of the full rendering
    cmsr_mse/x8           MSE from the full rendering, beside the threshold
    macs_saved/x8, time_saved/x8, share_x2/x8, ...         see `cmsr/savings.py`

The modulations change with the weights, so every validation makes its own table, from a few training images.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import distributed

from lmf_sr.cmsr.calibration import Calibration, evenly_spread
from lmf_sr.cmsr.savings import SavingsMeter, overall
from lmf_sr.data import Pair, PairedImages
from lmf_sr.data.datamodule import SuperResolutionData
from lmf_sr.evaluation.metrics import PROTOCOLS, psnr
from lmf_sr.geometry import TRAINING_SCALE
from lmf_sr.model import Model
from lmf_sr.results.records import Metrics
from lmf_sr.training.learner import SuperResolution


class Cmsr(Callback):
    """Logs what CMSR saves; nothing for a base method, or without a validation scale above 4.

    Args:
        mse_threshold: the error allowed, MSE from the full rendering of values in [-1, 1].
        aggregation: the rule of the calibration, one of `cmsr.calibration.AGGREGATIONS`.
        images: the number of training images to calibrate on.
        decode_scales: the scales to choose from.
        repeats: timed renderings of each validation image, with and without; 0 for none.
    """

    def __init__(
        self,
        mse_threshold: float = 2e-5,
        aggregation: str = "overall",
        images: int = 4,
        decode_scales: Sequence[float] = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0),
        repeats: int = 1,
    ) -> None:
        self.mse_threshold, self.aggregation = mse_threshold, aggregation
        self.images, self.decode_scales, self.repeats = images, decode_scales, repeats
        self.pictures: PairedImages | None = None  # decoded once

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.meters: dict[float, SavingsMeter] = {}
        self.found: dict[float, list[Metrics]] = defaultdict(list)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Pair, *_: Any
    ) -> None:
        assert isinstance(pl_module, SuperResolution)
        model, scale = pl_module.model, batch.scale
        if scale <= TRAINING_SCALE or not model.decoder.is_conversion:
            return
        data: SuperResolutionData = trainer.datamodule  # type: ignore[attr-defined]
        if scale not in self.meters:
            self.meters[scale] = self._calibrated(model, data, scale)
        meter, image, hr = self.meters[scale], model.encode(batch.lr_picture), batch.hr_picture
        height, width = hr.shape[1:]
        rendered = image.render(height, width, cmsr=meter.table)[0]
        quality = {"cmsr_psnr": psnr(rendered, hr, scale, PROTOCOLS[data.source.protocol])}
        self.found[scale].append(quality | meter.measure(image, height, width))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for scale, pictures in _of_all_processes(self.found).items():
            pl_module.log_dict({f"{name}/x{scale:g}": value for name, value in overall(pictures).items()})

    def _calibrated(self, model: Model, data: SuperResolutionData, scale: float) -> SavingsMeter:
        if self.pictures is None:
            self.pictures = PairedImages("training", evenly_spread(data.source.training(), self.images))
        calibration = Calibration.empty(model, "in training", [scale], self.decode_scales)
        for name in self.pictures.names():
            calibration.take(model, self.pictures, name)
        table = calibration.table(self.mse_threshold, self.aggregation).bound_to(model)
        return SavingsMeter(model, table, self.repeats)


def _of_all_processes(found: Mapping[float, Sequence[Metrics]]) -> dict[float, list[Metrics]]:
    """Joins the metrics of all processes of the run, because each validates some of the images."""
    parts: list[Mapping[float, Sequence[Metrics]]] = [found]
    if distributed.is_available() and distributed.is_initialized():
        parts *= distributed.get_world_size()
        distributed.all_gather_object(parts, found)
    return {scale: [metrics for part in parts for metrics in part.get(scale, ())] for part in parts for scale in part}
