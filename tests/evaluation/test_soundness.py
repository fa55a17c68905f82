"""The measures of soundness: what they say of an exact upscaler, of one that changes tones, and of bicubic."""

import pytest
import torch
from torch import Tensor

from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.evaluation.soundness import inconsistency, measured_patterns, tone_error


def repeat(picture: Tensor, scale: int) -> Tensor:
    return picture.repeat_interleave(scale, 1).repeat_interleave(scale, 2)


def bicubic(picture: Tensor, height: int, width: int) -> Tensor:
    return Bicubic().encode(picture).render(height, width)[0]


@pytest.mark.parametrize("scale", [2, 4])
def test_repeated_pixels_keep_every_tone(scale: int) -> None:
    for lr in measured_patterns().values():
        assert tone_error(lr, repeat(lr, scale)) < 1e-2
        assert tone_error(lr, repeat(lr, scale), block=None) < 1e-2


def test_a_changed_tone_is_found_in_its_block_and_averaged_over_the_picture() -> None:
    lr = torch.full((3, 64, 64), 0.5)
    sr = repeat(lr, 2)
    sr[1, :32, :32] += 51 / 255  # one block of sixteen, in green
    assert tone_error(lr, sr) == pytest.approx(51, abs=1e-3)
    assert tone_error(lr, sr, block=None) == pytest.approx(51 / 16, abs=1e-3)


def test_pictures_smaller_than_a_block_are_compared_whole() -> None:
    lr = torch.rand(3, 2, 1)
    assert tone_error(lr, repeat(lr, 3) + 0.1) == pytest.approx(25.5, abs=1e-3)


def test_bicubic_keeps_blocks_of_every_pattern_within_seven_levels() -> None:
    for lr in measured_patterns().values():
        assert tone_error(lr, bicubic(lr, 2 * 96, 2 * 96)) < 7


def test_patterns_have_their_names_and_range_and_move_with_the_seed() -> None:
    first, other = measured_patterns(48), measured_patterns(48, seed=3)
    assert first.keys() == other.keys()
    assert all(p.shape == (3, 48, 48) and p.min() >= 0 and p.max() <= 1 for p in first.values())
    assert torch.equal(first["checkerboard"][0, 0, :4] * 1.0, torch.tensor([0.0, 1, 0, 1]))
    assert not torch.equal(first["ordered dither"], other["ordered dither"])


def test_inconsistency_is_nought_for_flat_pictures_and_larger_for_what_blurs() -> None:
    assert inconsistency(bicubic, torch.full((3, 20, 24), 0.4)) < 0.5
    picture = measured_patterns(48)["small glyphs"]
    blurred = inconsistency(lambda p, h, w: bicubic(bicubic(p, 24, 24), h, w), picture)
    assert blurred > 1.5 * inconsistency(bicubic, picture) > 0
