"""PSNR and SSIM: known answers, and exactly the pixels and channels that each protocol names."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.evaluation.metrics import BENCHMARK, BENCHMARK_RGB, DIV2K, PROTOCOLS, EvaluationProtocol, psnr, ssim


def picture(height: int = 48, width: int = 40, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("protocol", [DIV2K, BENCHMARK_RGB])
@given(error=st.floats(1e-3, 0.5))
@settings(max_examples=20, deadline=None)
def test_psnr_of_a_constant_error(protocol: EvaluationProtocol, error: float) -> None:
    truth = torch.full((3, 48, 40), 0.25)
    assert psnr(truth + error, truth, 2.0, protocol) == pytest.approx(-20 * math.log10(error), abs=1e-3)


@pytest.mark.parametrize(("channel", "weight"), [(0, 65.738), (1, 129.057), (2, 25.064)])
def test_the_benchmark_protocol_compares_luma(channel: int, weight: float) -> None:
    truth = picture()
    image = truth.clone()
    image[channel] += 0.1
    assert psnr(image, truth, 2.0, BENCHMARK) == pytest.approx(-20 * math.log10(0.1 * weight / 256), abs=1e-4)


@pytest.mark.parametrize("protocol", PROTOCOLS.values())
def test_equal_images(protocol: EvaluationProtocol) -> None:
    assert psnr(picture(), picture(), 2.0, protocol) == math.inf
    assert ssim(picture(), picture(), 2.0, protocol) == pytest.approx(1)


@pytest.mark.parametrize(
    ("protocol", "scale", "cropped"),
    [
        (DIV2K, 4.0, 10),
        (BENCHMARK, 4.0, 4),
        (BENCHMARK_RGB, 4.0, 4),
        (DIV2K, 2.7, 9),
        (BENCHMARK, 2.7, 3),
        (BENCHMARK, 1.0, 1),
    ],
)
def test_exactly_the_border_is_cropped(protocol: EvaluationProtocol, scale: float, cropped: int) -> None:
    truth = picture()
    for inside in (False, True):
        distance = cropped if inside else cropped - 1
        for pixel in ((distance, 20), (20, distance), (-1 - distance, 20), (20, -1 - distance)):
            image = truth.clone()
            image[:, pixel[0], pixel[1]] += 0.3
            assert (psnr(image, truth, scale, protocol) < math.inf) == inside


@pytest.mark.parametrize("protocol", PROTOCOLS.values())
def test_ssim_is_the_mean_over_the_windows_within_the_cropped_picture(protocol: EvaluationProtocol) -> None:
    truth, image = picture(), (picture() + 0.2 * picture(seed=1)).clamp(0, 1)
    expected = ssim_by_definition(image, truth, 2.0, protocol)
    assert ssim(image, truth, 2.0, protocol) == pytest.approx(expected, abs=1e-5)


def ssim_by_definition(image: Tensor, truth: Tensor, scale: float, protocol: EvaluationProtocol) -> float:
    """Wang et al. (2004), window by window."""
    offsets = np.arange(-5, 6)
    gauss = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(gauss, gauss) / gauss.sum() ** 2
    c1, c2 = 0.01**2, 0.03**2
    values = []
    for x, y in zip(protocol.view(image, scale).numpy(), protocol.view(truth, scale).numpy(), strict=True):
        for top in range(x.shape[0] - 10):
            for left in range(x.shape[1] - 10):
                p, q = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                covariance = (window * (p - mp) * (q - mq)).sum()
                values.append((2 * mp * mq + c1) * (2 * covariance + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(values))


def test_too_small_images_are_named_with_their_size() -> None:
    with pytest.raises(InputError, match=r"16 x 40.*crops 8"):
        psnr(picture(16), picture(16), 2.0, DIV2K)
    assert psnr(picture(17), picture(17), 2.0, DIV2K) == math.inf
    with pytest.raises(InputError, match=r"11 x 11.*leaves 10"):
        ssim(picture(26), picture(26), 2.0, DIV2K)
