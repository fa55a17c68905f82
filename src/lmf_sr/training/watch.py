"""Finds a loss that is not finite, without waiting for the device at every step.

A GPU runs behind the program that drives it, and asking it for a number makes the program wait. The device itself therefore
remembers the first loss that was not finite, and is asked every so many steps, before each validation and before each
checkpoint. Weights in memory may be spoilt until then; no file ever is.
"""

import torch
from jaxtyping import Float
from torch import Tensor

STEPS_BETWEEN = 50  # on a GPU; on a CPU a check costs nothing


class LossWatch:
    """The first loss that was not finite.

    Args:
        every: steps between two checks; None for 1 on a CPU and `STEPS_BETWEEN` on a GPU.
    """

    def __init__(self, every: int | None = None) -> None:
        self.every = every
        self.first: Float[Tensor, " 2"] | None = None  # the step and its loss; step -1 for none

    def see(self, loss: Float[Tensor, ""], step: int) -> bool:
        """Takes the loss of a step, and returns whether it is time to check."""
        value = loss.detach().float()
        here = torch.stack([torch.full_like(value, step), value])
        if self.first is None:
            self.first = torch.full_like(here, -1)
        self.first = torch.where((self.first[0] < 0) & ~value.isfinite(), here, self.first)
        every = self.every or (1 if loss.device.type == "cpu" else STEPS_BETWEEN)
        return step % every == 0

    def nan_or_infinite(self) -> tuple[int, float] | None:
        """The step and its loss, or None if all were finite; waits for the device."""
        if self.first is None:
            return None
        step, loss = self.first.tolist()
        return (int(step), loss) if step >= 0 else None
