"""Muon (Jordan et al. 2024): momentum whose matrices are made orthogonal before they are applied.

    m = 0.95 m + g        u = g + 0.95 m        W -= lr * 0.2 sqrt(max(out, in)) * U V^T        where u = U S V^T

so that every direction of a weight learns at the same pace, whatever its share of the gradient. The factor (Liu et al. 2025,
"Muon is scalable for LLM training", eq. 4) gives an update the size of one of Adam's: both take the same learning rate. A
convolution of k x k is the matrix (out, in * k * k). Biases and other vectors are left to Adam.

Matrices of one shape are made orthogonal together, and all else is done for all parameters at once, so that a GPU has few
kernels to start and never to wait.

PyTorch 2.9 and later have `torch.optim.Muon`. With adjust_lr_fn="match_rms_adamw" and weight_decay=0 it takes the same
step as this, up to its bfloat16 (a test compares them). It is not used here, for four reasons: it refuses convolutions,
which are most of an encoder; it leaves vectors to a second optimiser, of which Lightning and every checkpoint would have
to know; it takes one matrix after the other; and the oldest PyTorch that this project runs on does not have it.
"""

from collections import defaultdict
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
        params: the parameters to optimise.
        lr: the learning rate of both, as for Adam.
    """

    def __init__(self, params: Iterable[torch.nn.Parameter], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Does one update, and returns the result of `closure`, which computes the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            trained = [parameter for parameter in group["params"] if parameter.grad is not None]
            for rule, parameters in (
                (muon, [parameter for parameter in trained if parameter.ndim >= 2]),
                (adam, [parameter for parameter in trained if parameter.ndim < 2]),
            ):
                if parameters:
                    gradients = [parameter.grad for parameter in parameters]
                    updates = rule(gradients, [self.state[parameter] for parameter in parameters])
                    torch._foreach_add_(parameters, updates, alpha=-group["lr"])
        return loss


def muon(gradients: list[Tensor], states: list[dict[str, Any]]) -> list[Tensor]:
    """The updates that Muon subtracts from the weights at learning rate 1, in the gradients' shapes."""
    momenta = _moments("momentum", gradients, states)
    torch._foreach_mul_(momenta, MOMENTUM)
    torch._foreach_add_(momenta, gradients)
    updates = list(torch._foreach_add(gradients, momenta, alpha=MOMENTUM))
    places_by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, update in enumerate(updates):
        places_by_shape[update.flatten(1).shape].append(i)
    for shape, places in places_by_shape.items():
        matrices = orthogonal(torch.stack([updates[i].flatten(1) for i in places])).mul_(0.2 * max(shape) ** 0.5)
        for i, matrix in zip(places, matrices, strict=True):
            updates[i] = matrix.view(updates[i].shape)
    return updates


def orthogonal(matrices: Float[Tensor, "k m n"]) -> Float[Tensor, "k m n"]:
    """Nearly U V^T of each matrix's singular value decomposition U S V^T.

    Each of the steps applies x -> a x + b x^3 + c x^5 to the singular values, with coefficients that bring those between
    about 0.01 and 1 to between 0.7 and 1.2 fastest; nearer to 1 is not better.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = QUINTIC
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT.contiguous() if tall else x


def adam(gradients: list[Tensor], states: list[dict[str, Any]]) -> list[Tensor]:
    """The updates that Adam (Kingma & Ba 2015, algorithm 1) subtracts from the vectors at learning rate 1."""
    means, squares = (_moments(name, gradients, states) for name in ("mean", "square"))
    for state in states:
        state["step"] = state.get("step", 0) + 1
    torch._foreach_lerp_(means, gradients, 1 - BETAS[0])
    torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - BETAS[1])
    corrected, scale = (
        torch._foreach_div(moments, [1 - beta ** state["step"] for state in states])
        for moments, beta in zip((means, squares), BETAS, strict=True)
    )
    torch._foreach_sqrt_(scale)
    torch._foreach_add_(scale, 1e-8)
    return list(torch._foreach_div(corrected, scale))


def _moments(name: str, gradients: list[Tensor], states: list[dict[str, Any]]) -> list[Tensor]:
    """A moment of each gradient, which begins with zeros."""
    for gradient, state in zip(gradients, states, strict=True):
        if name not in state:
            state[name] = torch.zeros_like(gradient)
    return [state[name] for state in states]
