"""Fits the measure `learnt` (`measures.py`) to the errors of coarse rendering, by least squares.

With E_i(p) the mean squared error at LR position p of rendering at decode scale s_i and upsampling, and x(p) the logarithms
of the strengths there,

    minimise over w, c     sum over p of (w x(p) + c - y(p))^2,       y = mean over i of log max(E_i, FLOOR) / 4

over positions drawn at random from a few pictures. Dividing by 4 makes intensities a fourth root, whose range the bins of
calibration cover. Errors below the floor are far from any threshold, so differences between them must not count.
"""

import torch

from lmf_sr.cmsr.calibration import coarse_errors
from lmf_sr.cmsr.measures import Measure, log_strengths
from lmf_sr.data import PairedImages
from lmf_sr.errors import InputError
from lmf_sr.model import Model

PICTURES = 16  # the number of pictures to fit to, evenly spread
POSITIONS = 1000  # LR positions of each picture, at random
FLOOR = 1e-8  # MSE


def fit(model: Model, images: PairedImages, scales: dict[float, list[float]]) -> Measure:
    """The measure `learnt` for a model.

    Args:
        model: an LMF conversion on any encoder.
        images: the pictures of the calibration.
        scales: its decode scales by target scale. The fit is to the errors at the middle target.

    Raises:
        InputError: no picture, or one that cannot be read or is too small.
    """
    names = images.names()
    if not names:
        raise InputError("there is no picture to fit the measure 'learnt' to")
    target = sorted(scales)[len(scales) // 2]
    random = torch.Generator().manual_seed(0)
    inputs, outputs = [], []
    for name in names[:: -(-len(names) // PICTURES)]:
        found = coarse_errors(model, images.pair(name, target).lr_picture, target, scales[target])
        logarithms = (found.squared / found.values).clamp(min=FLOOR).log().mean(0).flatten() / 4
        picked = torch.randperm(len(logarithms), generator=random)[:POSITIONS]
        inputs.append(log_strengths(found.state).flatten(0, 2).double().cpu()[picked])
        outputs.append(logarithms[picked])
    x = torch.cat(inputs)
    solution = torch.linalg.lstsq(torch.nn.functional.pad(x, (0, 1), value=1.0), torch.cat(outputs), driver="gelsd")
    *weights, bias = solution.solution.tolist()
    return Measure("learnt", bias, tuple(weights))
