"""Invisible pixels get the colour of visible ones, and these keep theirs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmf_sr.images import fill_invisible
from lmf_sr.images.transparency import DILATIONS


@settings(deadline=None, max_examples=50)
@given(height=st.integers(1, 40), width=st.integers(1, 40), share=st.floats(0, 1), seed=st.integers(0, 999))
def test_visible_pixels_stay_and_the_others_lie_among_their_colours(
    height: int, width: int, share: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.rand(1, height, width, generator=generator) * (
        torch.rand(1, height, width, generator=generator) < share
    )
    rgb = torch.rand(3, height, width, generator=generator)
    visible = alpha[0] > 0
    rgb[:, visible] = 0.25 + rgb[:, visible] / 2
    filled = fill_invisible(rgb, alpha)
    assert torch.equal(filled[:, visible], rgb[:, visible])
    if visible.any():
        for plane, seen in zip(filled, rgb[:, visible], strict=True):
            assert plane.min() >= seen.min() - 1e-5
            assert plane.max() <= seen.max() + 1e-5
    else:
        assert torch.equal(filled, rgb)


def test_a_pixel_takes_the_colour_of_the_nearest() -> None:
    """The left is red and the right blue, and the gap between them is twice as wide as the dilation reaches."""
    rgb, alpha = torch.zeros(3, 9, 2 * DILATIONS + 2), torch.zeros(1, 9, 2 * DILATIONS + 2)
    rgb[0, :, 0] = rgb[2, :, -1] = alpha[0, :, 0] = alpha[0, :, -1] = 1
    filled = fill_invisible(rgb, alpha)
    red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])
    torch.testing.assert_close(filled[:, :, : DILATIONS + 1], red[:, None, None].expand(3, 9, DILATIONS + 1))
    torch.testing.assert_close(filled[:, :, DILATIONS + 1 :], blue[:, None, None].expand(3, 9, DILATIONS + 1))


def test_far_away_pixels_are_filled_too() -> None:
    rgb, alpha = torch.zeros(3, 301, 200), torch.zeros(1, 301, 200)
    rgb[:, 0, 0] = alpha[:, 0, 0] = 1
    torch.testing.assert_close(fill_invisible(rgb, alpha), torch.ones(3, 301, 200))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_nothing_is_changed_where_all_or_nothing_is_visible(alpha: float) -> None:
    rgb = torch.rand(3, 5, 7)
    assert torch.equal(fill_invisible(rgb, torch.full((1, 5, 7), alpha)), rgb)
