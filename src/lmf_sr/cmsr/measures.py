"""Measures, by which CMSR goes: a *measure* gives each latent a number, its *intensity*, that tells how busy the picture is.

With a_l and b_l the means of |scale modulations| and |shift modulations| over layer l's channels (`LMFState.strengths`):

    paper         mean over l of b_l                                                  He & Jin, CVPR 2024, section 3.4
    first-layer   b_0
    contrast      the standard deviation of the LR picture, values in [-1, 1], in the 5 x 5 pixels around
    learnt        exp(bias + sum_l (u_l log a_l + v_l log b_l))                       fitted at calibration (`fitting.py`)

Where a conversion has no shift modulations, a_l stands for b_l. `learnt` estimates the fourth root of the squared error that
rendering at coarse scales makes. Only the order of intensities matters to CMSR, and how finely the bins of calibration
(`calibration.py`) divide them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.geometry import numbers_like
from lmf_sr.lmf.conversion import LMFState
from lmf_sr.rendering.tiling import Window

NAMES = ("paper", "first-layer", "contrast", "learnt")
AROUND = 2  # pixels on each side that `contrast` looks at
LEAST = 1e-6  # a strength whose logarithm is taken is no less


@dataclass(frozen=True)
class Measure:
    """A measure, ready to use.

    name: one of `NAMES`.
    bias: the constant term of `learnt`.
    weights: the factors of `learnt`, in the order of a state's strengths: u_0 .. u_(L-1), v_0 .. v_(L-1).
    """

    name: str = NAMES[0]
    bias: float = 0.0
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raises InputError for a measure that there is not."""
        if self.name not in NAMES:
            raise InputError(f"there is no measure {self.name!r}; choose one of {', '.join(NAMES)}")

    def intensity(self, state: LMFState, lr: Float[Tensor, "B 3 h w"], window: Window) -> Float[Tensor, "B n m"]:
        """The intensity of each latent.

        Args:
            state: that of a window of the picture.
            lr: the whole picture, normalised.
            window: the window.

        Raises:
            InputError: weights that were fitted to a render MLP of another depth.
        """
        if self.name == "paper":
            return state.intensity
        if self.name == "first-layer":
            return state.strengths[..., -1, 0]
        if self.name == "contrast":
            seen = window.grown(AROUND, 1, (lr.shape[-2], lr.shape[-1]))
            return window.within(seen).crop(contrast(seen.crop(lr))[:, None])[:, 0]
        logarithms = log_strengths(state)
        if len(self.weights) != logarithms.shape[-1]:
            raise InputError(
                f"the measure 'learnt' has {len(self.weights)} weights, but the model has {logarithms.shape[-1]} strengths: "
                "calibrate the model anew"
            )
        return (logarithms @ numbers_like(self.weights, logarithms) + self.bias).exp()

    def content(self) -> dict[str, Any]:
        """The content of files about it."""
        return {"name": self.name, **({"bias": self.bias, "weights": list(self.weights)} if self.weights else {})}

    @classmethod
    def from_content(cls, content: Mapping[str, Any] | None) -> Measure:
        """The measure in a file's content; the paper's where there is none, as in earlier versions' and the authors' files.

        Raises:
            InputError: a measure that there is not.
            ValueError, KeyError, TypeError, AttributeError: anything else.
        """
        if content is None:
            return PAPER
        return cls(
            content["name"], float(content.get("bias", 0.0)), tuple(float(w) for w in content.get("weights", ()))
        )


PAPER = Measure()


def log_strengths(state: LMFState) -> Float[Tensor, "B n m k"]:
    """The logarithms of the strengths, in which `learnt` is linear."""
    return state.strengths.flatten(-2).clamp(min=LEAST).log()


def contrast(lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B h w"]:
    """The standard deviation of a picture around each pixel; over the colours, the root of the mean variance."""
    (h, w), side = lr.shape[-2:], 2 * AROUND + 1
    padded = F.pad(lr, [AROUND] * 4, mode="replicate")
    both = torch.cat([padded, padded.square()])
    lines = both[..., :h, :].clone()  # sums of shifted pictures take half the time of avg_pool2d
    for i in range(1, side):
        lines += both[..., i : i + h, :]
    sums = lines[..., :w].clone()
    for i in range(1, side):
        sums += lines[..., i : i + w]
    mean, square = (sums / side**2).chunk(2)
    return (square - mean.square()).clamp(min=0).mean(1).sqrt()
