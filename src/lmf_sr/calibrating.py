"""`lmf_sr.calibrate`: what CMSR may render coarsely, measured from Python; `lmf-sr calibrate` is the same with a record."""

import os
from collections.abc import Sequence
from pathlib import Path

from lmf_sr.building import name_of
from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.cmsr.calibration import Calibration, evenly_spread
from lmf_sr.cmsr.fitting import fit
from lmf_sr.cmsr.measures import PAPER, Measure
from lmf_sr.data import Embedded, PairedImages, Source
from lmf_sr.data.pairs import Images
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError
from lmf_sr.images import list_images
from lmf_sr.model import Model


def calibrate(
    model: str | Path | Model = DEFAULT_MODEL,
    images: str | os.PathLike[str] | Source | None = None,
    targets: Sequence[float] = (6, 8, 12, 18),
    *,
    decode_scales: Sequence[float] = (1, 2, 4, 6, 8, 12, 16),
    count: int = 100,
    measure: str = PAPER.name,
    device: str = "auto",
) -> Calibration:
    """Measures, on photographs, the error of rendering each content at a coarser scale than asked for.

    Examples:
        calibration = lmf_sr.calibrate("last.ckpt", "photos")
        calibration.save("last.cmsr.json")                          # beside the checkpoint, where commands look for it
        lmf_sr.upscale("photo.jpg", 12, model="last.ckpt", cmsr=calibration.table(2e-5))

    Args:
        model: a shipped model's name, a checkpoint file, or a model; an LMF conversion.
        images: a folder of photographs, or a source of `lmf_sr.data`, whose training part is taken; None for the embedded
            ones.
        targets: the scales to render at later, above 4.
        decode_scales: the coarser scales to choose from; each target gets those below it.
        count: the number of photographs, evenly spread over all.
        measure: one of `cmsr.measures.NAMES`, which tells how busy a place is.
        device: auto, cpu, cuda, cuda:1; a `Model` stays where it is.

    Returns:
        The calibration, from which `calibration.table(mse_threshold)` makes a table for any threshold.

    Raises:
        InputError: a model, folder, scale, number, measure or device that is of no use, saying why; a photograph too small
            for a target.
    """
    if count < 1:
        raise InputError(f"count={count} calibrates on nothing: give at least 1")
    if not isinstance(model, Model):
        model = load(model).to(device_named(device))
    model.conversion()  # refuses a base method
    wanted, coarse = ([*map(float, scales)] for scales in (targets, decode_scales))
    calibration = Calibration.empty(model, name_of(model), wanted, coarse, Measure(measure))
    photographs: Images
    if isinstance(images, str | os.PathLike):
        photographs = {str(file): file for file in list_images(images)}
    else:
        photographs = (images or Embedded()).training()
    pictures = PairedImages("training", evenly_spread(photographs, count))
    if measure == "learnt":
        calibration.measure = fit(model, pictures, calibration.scales)
    for name in pictures.names():
        calibration.take(model, pictures, name)
    return calibration
