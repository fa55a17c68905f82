"""Means that one exactly reproduced image does not make infinite."""

import math

import pytest

from lmf_sr.results.statistics import Spread, over_images


def test_means_over_images() -> None:
    assert over_images([{"psnr": 30.0, "ssim": 0.5}, {"psnr": 32.0, "ssim": 0.7}]) == {
        "psnr": 31,
        "ssim": pytest.approx(0.6),
    }
    assert over_images([]) == {}


def test_infinite_values_are_counted_and_left_out_of_the_mean() -> None:
    found = over_images([{"psnr": math.inf, "ssim": 1.0}, {"psnr": 30.0, "ssim": 0.5}, {"psnr": math.inf, "ssim": 1.0}])
    assert found == {"psnr": 30.0, "psnr_infinite": 2, "ssim": pytest.approx(2.5 / 3)}


def test_where_all_is_infinite_so_is_the_mean() -> None:
    assert over_images([{"psnr": math.inf}] * 2) == {"psnr": math.inf, "psnr_infinite": 2}


def test_a_fault_is_not_hidden() -> None:
    assert math.isnan(over_images([{"psnr": math.nan}, {"psnr": 30.0}])["psnr"])


def test_what_an_image_lacks_counts_as_nothing() -> None:
    assert over_images([{"share_x2": 1.0}, {}]) == {"share_x2": 0.5}


def test_spread_over_seeds() -> None:
    assert Spread.over([30.0, 32.0]) == Spread(31.0, pytest.approx(math.sqrt(2)), 2)
    assert Spread.over([30.0]) == Spread(30.0, 0.0, 1)
    assert Spread.over([30.0, math.inf, 32.0]) == Spread(31.0, pytest.approx(math.sqrt(2)), 2)
    assert Spread.over([math.inf, math.inf]) == Spread(math.inf, 0.0, 2)
