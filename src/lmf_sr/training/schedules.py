"""A learning-rate schedule by time, for a run that ends by time (`trainer.max_time`).

With p the share of the time that has passed, w that of the warm-up and r the optimiser's rate:

    rate(p) = r p / w                                      p < w
            = r (1 + cos(pi (p - w) / (1 - w))) / 2        p >= w

so that the rate has fallen to nothing when the run ends, whatever the machine's speed.
"""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

LOWEST = 1e-3  # share of the rate at both ends, because a step at rate zero would be wasted


class ByTime(LRScheduler):
    """One cycle of the learning rate over the time of the run.

    `SuperResolution` connects `progress`, the share of the time that has passed, from 0 to 1. It is no part of the state,
    because a resumed run asks its own trainer.

    Args:
        optimizer: its learning rate is the highest of the cycle.
        warmup: the share of the time in which the rate rises.
    """

    def __init__(self, optimizer: Optimizer, warmup: float = 0.05) -> None:
        self.warmup = warmup
        self.progress: Callable[[], float] = float  # 0 before the run begins
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        return [rate * share_at(self.progress(), self.warmup) for rate in self.base_lrs]

    def refresh(self) -> None:
        """Sets the rates of the present moment."""
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        return {key: value for key, value in super().state_dict().items() if key not in ("progress", "warmup")}


def share_at(progress: float, warmup: float) -> float:
    """The learning rate at a moment of the run, as a share of the highest."""
    if progress < warmup:
        share = progress / warmup
    else:
        share = (1 + math.cos(math.pi * min((progress - warmup) / (1 - warmup), 1.0))) / 2
    return max(share, LOWEST)
