"""`linear` is `F.linear`, and who computes it."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lmf_sr.linear import Linear, linear


class Operators(TorchDispatchMode):
    """The names of what is called."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[str] = []

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.called.append(str(func))
        return func(*args, **kwargs or {})


def by_onednn(run: Callable[[], Any]) -> bool:
    with Operators() as operators:
        run()
    return any("_linear_pointwise" in name for name in operators.called)


@given(st.lists(st.integers(0, 5), max_size=3), st.integers(1, 40), st.integers(1, 40), st.booleans())
@settings(deadline=None)
def test_equals_pytorch(shape: list[int], i: int, o: int, biased: bool) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(*shape, i), torch.randn(o, i), torch.randn(o) if biased else None
    torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias), atol=1e-5, rtol=1e-5)


def test_strided_operands() -> None:
    x, weight = torch.randn(9, 30, 4).permute(1, 2, 0), torch.randn(12, 20)[::2, 3:12]
    torch.testing.assert_close(linear(x, weight), F.linear(x, weight), atol=1e-5, rtol=1e-5)
    for bias in (torch.randn(12)[::2], torch.randn(1).expand(6)):
        torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias), atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch has no oneDNN here")
def test_onednn_computes_float32_on_a_cpu() -> None:
    x, layer = torch.randn(5, 8), Linear(8, 3)
    assert by_onednn(lambda: layer(x))
    assert by_onednn(layer(x).sum().backward)
    assert not by_onednn(lambda: linear(x.double(), layer.weight.double()))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16


def test_gradients() -> None:
    """Gradients of the first and, through a square, of the second order."""
    torch.manual_seed(0)
    x, layer = torch.randn(4, 5, 8, requires_grad=True), Linear(8, 3)
    wanted = [x, *layer.parameters()]

    def gradients(y: Tensor) -> list[Tensor]:
        first = torch.autograd.grad(y.pow(3).sum(), wanted, create_graph=True)
        return [*first, *torch.autograd.grad(sum((g.square().sum() for g in first), x.new_zeros(())), wanted)]

    for found, expected in zip(gradients(layer(x)), gradients(F.linear(x, layer.weight, layer.bias)), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-5)


def test_a_gradient_that_is_not_asked_for_is_not_made() -> None:
    x, layer = torch.randn(4, 8), Linear(8, 3).requires_grad_(False)
    with Operators() as operators:
        layer(x)
    assert sum("_linear_pointwise" in name for name in operators.called) == 1
    layer.bias.requires_grad_(True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(layer.bias.grad, torch.full((3,), 4.0))


def test_what_no_gradient_needs_may_be_changed() -> None:
    x, layer = torch.randn(4, 8, requires_grad=True), Linear(8, 3).requires_grad_(False)
    hidden = x * 2
    y = layer(hidden)
    hidden.relu_()
    y.sum().backward()
    torch.testing.assert_close(x.grad, 2 * layer.weight.sum(0).expand(4, 8))


def test_transforms() -> None:
    x, layer = torch.randn(4, 8), Linear(8, 3)
    found = torch.func.grad(lambda w: linear(x, w).square().sum())(layer.weight.detach())
    torch.testing.assert_close(found, 2 * (x @ layer.weight.T).T @ x, atol=1e-4, rtol=1e-4)


COMPILED = """
import torch
from lmf_sr.linear import Linear
x, layer = torch.randn(4, 8), Linear(8, 3)
torch.testing.assert_close(torch.compile(layer, backend="eager", fullgraph=True)(x), layer(x))
"""


def test_compiles_whole() -> None:
    """It runs in a process without the tests' type checks, which do not compile."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True)


def test_layers_of_a_module_that_has_moved() -> None:
    layer: Linear = Linear(4, 2).to(torch.float64)
    x: Tensor = torch.randn(3, 4, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), x @ layer.weight.T + layer.bias)
