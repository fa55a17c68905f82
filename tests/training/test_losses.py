"""The losses that PyTorch does not have."""

import torch

from lmf_sr.training.losses import SquaresAndTones

BLACK_AND_WHITE = torch.tensor([-1.0, 1.0]).repeat(8).view(1, 16, 1).expand(2, 16, 3)


def test_without_errors_of_tone_it_is_the_mean_squared_error() -> None:
    grey = torch.zeros_like(BLACK_AND_WHITE)
    assert SquaresAndTones(weight=30)(grey, BLACK_AND_WHITE) == 1


def test_a_shifted_tone_weighs_more() -> None:
    shifted = 0.5 * BLACK_AND_WHITE + 0.1
    expected = (0.4**2 + 0.6**2) / 2 + 30 * 0.1**2
    torch.testing.assert_close(SquaresAndTones(weight=30)(shifted, BLACK_AND_WHITE), torch.tensor(expected))


def test_an_overshoot_changes_no_tone_where_it_is_clamped() -> None:
    one_sided = BLACK_AND_WHITE.clamp(min=-1, max=1) + 0.2 * (BLACK_AND_WHITE > 0)
    torch.testing.assert_close(SquaresAndTones(weight=30)(one_sided, BLACK_AND_WHITE), torch.tensor(0.2**2 / 2))


def test_tones_of_samples_do_not_balance_each_other() -> None:
    shift = torch.tensor([0.1, -0.1]).view(2, 1, 1)
    loss = SquaresAndTones(weight=30)(0.5 * BLACK_AND_WHITE + shift, BLACK_AND_WHITE)
    torch.testing.assert_close(loss, SquaresAndTones(weight=30)(0.5 * BLACK_AND_WHITE + shift.abs(), BLACK_AND_WHITE))
