"""MLPs and 3x3 neighbourhoods."""

import pytest
import torch
import torch.nn.functional as F

from lmf_sr.decoders.layers import MLP, CornerMLP, linear_on_unfold, softmax, unfold3x3


def test_unfold_is_channel_major_and_zero_padded() -> None:
    features = torch.arange(2 * 4 * 5, dtype=torch.float32).view(1, 2, 4, 5)
    unfolded = unfold3x3(features)
    assert unfolded.shape == (1, 4, 5, 18)
    torch.testing.assert_close(unfolded[0, 1, 2, 9:], features[0, 1, 0:3, 1:4].flatten())
    torch.testing.assert_close(unfolded[0, 0, 0, :9], torch.tensor([0.0, 0, 0, 0, 0, 1, 0, 5, 6]))


def test_unfold_without_padding_is_the_inside() -> None:
    features = torch.randn(2, 3, 6, 5)
    torch.testing.assert_close(unfold3x3(features, padding=0), unfold3x3(features)[:, 1:-1, 1:-1])


def test_a_linear_layer_on_neighbourhoods_is_a_convolution() -> None:
    features, weight, bias = torch.randn(2, 3, 6, 5), torch.randn(7, 27), torch.randn(7)
    found = linear_on_unfold(features, weight, bias)
    torch.testing.assert_close(found, F.linear(unfold3x3(features), weight, bias), atol=1e-5, rtol=1e-5)
    assert found.is_contiguous()


def test_mlp_has_a_relu_after_every_layer_but_the_last() -> None:
    mlp = MLP(3, [5, 4], 2)
    a, b, c = mlp.linears
    x = torch.randn(6, 3)
    torch.testing.assert_close(mlp(x), c(b(a(x).relu()).relu()))


@pytest.mark.parametrize("width", [16, 256])
def test_a_fresh_mlp_keeps_the_size_of_its_input(width: int) -> None:
    torch.manual_seed(0)
    sizes = [MLP(width, 8 * [width], 3).hidden(torch.randn(1000, width)).square().mean() for _ in range(20)]
    assert 0.5 < torch.stack(sizes).mean() < 2  # of each element's square: 1, half of it above zero, doubled


def test_corner_mlp_goes_on_from_its_first_layer() -> None:
    mlp = CornerMLP(6, [8, 8], 3)
    x, rel, cell = torch.randn(2, 5, 6), torch.randn(2, 5, 2), torch.randn(2, 1, 2)
    first = F.linear(x, mlp.first_weight, mlp.first_bias)
    whole = mlp(torch.cat([x, rel, cell.expand_as(rel)], dim=-1))
    torch.testing.assert_close(mlp.forward_from(first, rel, cell), whole)
    torch.testing.assert_close(mlp.linears[-1](mlp.hidden_from(first, rel, cell)), whole)


def test_softmax_is_made_in_float32_at_least() -> None:
    assert softmax(torch.tensor([5e4, 6e4], dtype=torch.float16), dim=0).dtype == torch.float32
    assert softmax(torch.randn(3, dtype=torch.float64), dim=0).dtype == torch.float64
