"""Muon (Jordan et al. 2024): momentum whose matrices are made orthogonal before they are applied.

    m = 0.95 m + g        u = g + 0.95 m        W -= lr * 0.2 sqrt(max(out, in)) * U V^T        where u = U S V^T

so that every direction of a weight learns at the same pace, whatever its share of the gradient. The factor (Liu et al. 2025,
"Muon is scalable for LLM training", eq. 4) gives an update the size of one of Adam's: both take the same learning rate. A
convolution of k x k is the matrix (out, in * k * k). Biases and other vectors are left to Adam.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

MOMENTUM = 0.95
BETAS = 0.9, 0.99
QUINTIC = 3.4445, -4.7750, 2.0315
STEPS = 5


class Muon(Optimizer):
    """Muon for parameters of two or more dimensions, Adam for the rest.

    Args:
        params: what is optimised.
        lr: of both, as for Adam.
    """

    def __init__(self, params: Iterable[torch.nn.Parameter], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; returns what `closure`, which computes the gradients, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    rule = muon if parameter.ndim >= 2 else adam
                    parameter.sub_(rule(parameter.grad, self.state[parameter]), alpha=group["lr"])
        return loss


def muon(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    """What Muon takes off a weight at learning rate 1, of the gradient's shape."""
    momentum = state.setdefault("momentum", torch.zeros_like(gradient))
    momentum.mul_(MOMENTUM).add_(gradient)
    update = gradient.add(momentum, alpha=MOMENTUM).flatten(1)
    return orthogonal(update).mul_(0.2 * max(update.shape) ** 0.5).view_as(gradient)


def orthogonal(matrix: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    """Nearly U V^T of the singular value decomposition U S V^T.

    Each of the steps applies x -> a x + b x^3 + c x^5 to the singular values, with coefficients that bring those between
    about 0.01 and 1 to between 0.7 and 1.2 fastest; nearer to 1 is not better.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    a, b, c = QUINTIC
    for _ in range(STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def adam(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    """What Adam (Kingma & Ba 2015, algorithm 1) takes off a vector at learning rate 1."""
    mean = state.setdefault("mean", torch.zeros_like(gradient))
    square = state.setdefault("square", torch.zeros_like(gradient))
    state["step"] = state.get("step", 0) + 1
    mean.lerp_(gradient, 1 - BETAS[0])
    square.lerp_(gradient.square(), 1 - BETAS[1])
    corrected, scale = (
        moment / (1 - beta ** state["step"]) for moment, beta in zip((mean, square), BETAS, strict=True)
    )
    return corrected / (scale.sqrt() + 1e-8)
