"""The savings of CMSR on photographs of natural size, by the models that ship and their calibrations (`cmsr/savings.py`)."""

import torch

from benchmarks.gpu.decoding import LR_SIZE, SMALL
from benchmarks.gpu.running import Case, Row, Setup
from lmf_sr.checkpoints import WEIGHTS, load
from lmf_sr.cmsr.calibration import Calibration
from lmf_sr.cmsr.savings import SavingsMeter, overall
from lmf_sr.images import embedded_photographs

MODELS = ("edsr-baseline-lm-liif", "rlfn-lm-liif", "edsr-tiny-lm-lte")
SCALES = (8.0, 12.0)
THRESHOLDS = ("2e-5", "1e-4")
PHOTOGRAPHS = ("coffee", "chelsea", "rocket")
ROUNDS = 10


def cases(setup: Setup) -> list[Case]:
    if setup.small:
        return [("edsr-tiny-lm-liif", "2e-5", 8.0)]
    return [(model, threshold, scale) for scale in SCALES for model in MODELS for threshold in THRESHOLDS]


@torch.inference_mode()
def measure(setup: Setup, case: Case) -> Row:
    """The metrics of one model, MSE asked for and scale, over the middles of a few photographs."""
    name, threshold, scale = case
    assert isinstance(scale, float)
    model = load(str(name)).to(setup.device).eval()
    table = Calibration.load(WEIGHTS / f"{name}.cmsr.json").table(float(threshold)).bound_to(model)
    meter = SavingsMeter(model, table, repeats=1 if setup.small else ROUNDS)
    h, w = SMALL if setup.small else LR_SIZE
    found = []
    for photograph in embedded_photographs(PHOTOGRAPHS[:1] if setup.small else PHOTOGRAPHS).values():
        top, left = (photograph.shape[1] - h) // 2, (photograph.shape[2] - w) // 2
        image = model.encode(photograph[:, top : top + h, left : left + w] / 255)
        found.append(meter.measure(image, round(h * scale), round(w * scale)))
    return {"photographs": len(found), **overall(found)}
