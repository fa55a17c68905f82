"""Ranges of pixel values."""

import torch

from lmf_sr.normalisation import from_levels, normalise


def test_levels_span_zero_to_one_whatever_their_type() -> None:
    levels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    for given in (levels, levels.int(), levels.float()):
        torch.testing.assert_close(from_levels(given), torch.tensor([0.0, 0.2, 1.0]))


def test_pictures_span_minus_one_to_one() -> None:
    assert normalise(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1, 0, 1]
