"""Muon orthogonalises the momentum of matrices, and is Adam for vectors."""

from io import BytesIO

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from lmf_sr.training.muon import MOMENTUM, Muon, orthogonal

SHAPES = [(8, 40), (40, 8), (16, 16), (1, 7)]


def stepped(value: Tensor, gradients: list[Tensor], lr: float = 1e-2) -> Tensor:
    """The parameter after a step for each gradient."""
    parameter = Parameter(value.clone())
    optimizer = Muon([parameter], lr)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_come_near_one_and_singular_vectors_stay(shape: tuple[int, int]) -> None:
    u, s, vt = torch.linalg.svd(torch.randn(shape, generator=torch.manual_seed(0)), full_matrices=False)
    s = torch.linspace(0.05, 1.0, len(s))
    found = u.T @ orthogonal((u @ torch.diag(s) @ vt)[None])[0] @ vt.T
    assert found.diag().min() > 0.6
    assert found.diag().max() < 1.3
    torch.testing.assert_close(found, torch.diag(found.diag()), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [*SHAPES, (8, 4, 3, 3)])
def test_the_size_of_an_update_is_that_of_adam_whatever_the_gradient_s(shape: tuple[int, ...]) -> None:
    value, gradient = torch.randn(2, *shape, generator=torch.manual_seed(1))
    moved = stepped(value, [gradient]) - value
    assert moved.square().mean().sqrt() == pytest.approx(0.2e-2, rel=0.35)
    torch.testing.assert_close(stepped(value, [1000 * gradient]) - value, moved, atol=1e-5, rtol=0)
    assert (moved * gradient).sum() < 0


def test_a_convolution_is_the_matrix_of_its_output_channels() -> None:
    value, *gradients = torch.randn(4, 8, 4, 3, 3, generator=torch.manual_seed(2))
    flat = stepped(value.flatten(1), [gradient.flatten(1) for gradient in gradients])
    torch.testing.assert_close(stepped(value, gradients).flatten(1), flat)


def test_momentum_is_nesterov_s() -> None:
    first, second = torch.randn(2, 6, 6, generator=torch.manual_seed(3))
    momentum = MOMENTUM * first + second
    expected = -1e-2 * 0.2 * 6**0.5 * orthogonal((second + MOMENTUM * momentum)[None])[0]
    one = stepped(torch.zeros(6, 6), [first])
    torch.testing.assert_close(stepped(torch.zeros(6, 6), [first, second]) - one, expected)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="PyTorch has its own Muon from 2.9 on")
@pytest.mark.parametrize("shape", SHAPES)
def test_matrices_go_the_way_of_pytorch_s_own_muon(shape: tuple[int, int]) -> None:
    value, *gradients = torch.randn(4, *shape, generator=torch.manual_seed(5))
    theirs = Parameter(value.clone())
    optimizer = torch.optim.Muon([theirs], lr=1e-2, weight_decay=0, adjust_lr_fn="match_rms_adamw")
    for gradient in gradients:
        theirs.grad = gradient.clone()
        optimizer.step()
    ours, moved = stepped(value, gradients) - value, theirs.detach() - value
    assert (ours - moved).norm() < 0.03 * ours.norm()  # they compute in bfloat16, which has 8 bits


def test_vectors_are_adam_s() -> None:
    value, *gradients = torch.randn(6, 9, generator=torch.manual_seed(4))
    parameter = Parameter(value.clone())
    adam = torch.optim.Adam([parameter], lr=1e-2, betas=(0.9, 0.99))
    for gradient in gradients:
        parameter.grad = gradient.clone()
        adam.step()
    torch.testing.assert_close(stepped(value, gradients), parameter.detach())


def test_parameters_together_go_the_way_each_goes_alone() -> None:
    shapes = [(8, 4, 3, 3), (8, 36), (5,), (8, 4, 3, 3), (6, 6), (7,), (40, 8)]
    values = [torch.randn(shape, generator=torch.manual_seed(i)) for i, shape in enumerate(shapes)]
    values[3] = values[3].to(memory_format=torch.channels_last)
    gradients = [[torch.randn_like(value) for value in values] for _ in range(3)]
    together = [Parameter(value.clone()) for value in values]
    optimizer = Muon(together, 1e-2)
    for i, gradient in enumerate(gradients):
        for parameter, g in zip(together, gradient, strict=True):
            parameter.grad = g.clone() if i or parameter.ndim > 1 else None  # vectors begin a step later
        optimizer.step()
    for i, (value, parameter) in enumerate(zip(values, together, strict=True)):
        alone = stepped(value, [gradient[i] for gradient in gradients[value.ndim == 1 :]])
        torch.testing.assert_close(parameter.detach(), alone)


def test_it_goes_on_from_its_saved_state() -> None:
    values = [torch.randn(4, 6), torch.randn(5)]
    gradients = [[torch.randn_like(value) for value in values] for _ in range(4)]
    straight = [Parameter(value.clone()) for value in values]
    optimizer = Muon(straight, 1e-2)
    for step, gradient in enumerate(gradients):
        if step == 2:
            file = BytesIO()
            torch.save(optimizer.state_dict(), file)
            file.seek(0)
            resumed = [Parameter(value.detach().clone()) for value in straight]
            other = Muon(resumed, 1.0)
            other.load_state_dict(torch.load(file, weights_only=True))
        for parameter, g in zip(straight, gradient, strict=True):
            parameter.grad = g
        optimizer.step()
        if step >= 2:
            for parameter, g in zip(resumed, gradient, strict=True):
                parameter.grad = g
            other.step()
    for parameter, again in zip(straight, resumed, strict=True):
        assert torch.equal(parameter, again)
