"""`lmf_sr.evaluate`: the quality of a model on pictures, from Python; `lmf-sr evaluate` is the same with a record."""

import os
from collections.abc import Sequence
from pathlib import Path

from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.data import Embedded, Pictures, Source
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError
from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.evaluation.metrics import protocol_named
from lmf_sr.evaluation.quality import Upscaler, evaluate_sets
from lmf_sr.model import Model
from lmf_sr.results.records import Result


def evaluate(
    model: str | Path | Model = DEFAULT_MODEL,
    images: str | os.PathLike[str] | Source | None = None,
    scale: float | Sequence[float] = (2, 3, 4),
    *,
    protocol: str | None = None,
    device: str = "auto",
) -> list[Result]:
    """PSNR and SSIM of a model on sets of pictures, at any scales.

    Args:
        model: a shipped model's name, a checkpoint file, or a model; or "bicubic", the baseline.
        images: a folder, of which all pictures are taken, or a source of `lmf_sr.data`; None for the embedded photographs.
        scale: the factor by which the HR pictures are larger than the LR pictures, or several factors.
        protocol: one of `evaluation.metrics.PROTOCOLS`; None for what is customary with the pictures.
        device: auto, cpu, cuda, cuda:1; a `Model` stays where it is.

    Returns:
        A result for each set and scale: `result.metrics` has the means, `result.images` those of each picture in dB, and
        `result.failures` says why a picture could not be measured.

    Raises:
        InputError: a model, folder, scale, protocol or device that is of no use, saying why.
    """
    scales = [float(scale)] if isinstance(scale, int | float) else [float(one) for one in scale]
    if not scales or not all(1 <= one < float("inf") for one in scales):
        raise InputError(f"scale {scale} makes no picture larger: a scale is a number of at least 1")
    source = Pictures(Path(images)) if isinstance(images, str | os.PathLike) else images or Embedded()
    compared = protocol_named(protocol or source.protocol)
    upscaler: Upscaler
    if isinstance(model, Model):
        upscaler = model
    else:
        upscaler = Bicubic() if model == "bicubic" else load(model).to(device_named(device))
    return evaluate_sets(upscaler, source.evaluation(), scales, compared)
