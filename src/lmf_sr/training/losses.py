"""Losses beside the mean absolute and the mean squared error, which PyTorch has."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SquaresAndTones(nn.Module):
    """The mean squared error, and with a weight that of each sample's tone, its average over the queries:

        mean |p - t|^2 + weight * mean |avg_q clamp(p) - avg_q t|^2

    The squared error alone lets a model shift the tone of a dither, because it may overshoot at single pixels, where the
    picture that is written is clamped. Values outside [-1, 1] are clamped here too.

    Args:
        weight: the weight of the tones. A tone is an average over some thousand pixels, so its errors are small.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, prediction: Float[Tensor, "B Q 3"], target: Float[Tensor, "B Q 3"]) -> Float[Tensor, ""]:
        tone = (prediction.clamp(-1, 1) - target).mean(dim=1)
        return F.mse_loss(prediction, target) + self.weight * tone.square().mean()
