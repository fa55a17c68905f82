"""The values written for normalised RGB, whichever renderer writes them."""

import math

import pytest
import torch

import lmf_sr
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.rendering.value_range import NORMALISED, PIXELS, UNCLAMPED

TINY = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 16}


def test_the_values_of_normalised_rgb() -> None:
    rgb = torch.tensor([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, math.nan])
    expected = {
        NORMALISED: rgb,
        UNCLAMPED: torch.tensor([-1.0, 0.0, 0.5, 0.75, 1.0, 1.5, math.nan]),
        PIXELS: torch.tensor([0.0, 0.0, 0.5, 0.75, 1.0, 1.0, math.nan]),
    }
    for values, of_rgb in expected.items():
        torch.testing.assert_close(values.apply_(rgb.clone()), of_rgb, atol=0, rtol=0, equal_nan=True)


def middle(image: lmf_sr.ContinuousImage) -> float:
    """The median of the intensities."""
    return image.intensity(54, 66).nanmedian().item()


@pytest.mark.parametrize("decoder", ["liif", "lm-liif", "lm-lte", "lm-ciaosr"])
@pytest.mark.parametrize("renderer", ["direct", "auto"])
@pytest.mark.parametrize("cmsr", [False, True])
def test_pixels_are_clamped_to_between_0_and_1(decoder: str, renderer: str, cmsr: bool) -> None:
    """The bias puts some pixels outside of [0, 1], and a part of one picture is not a number."""
    if cmsr and decoder == "liif":
        pytest.skip("CMSR is of the conversions")
    torch.manual_seed(0)
    model = lmf_sr.build(TINY, decoder).eval()
    with torch.no_grad():
        (bias,) = (parameter for parameter in model.decoder.parameters() if parameter.shape == (3,))
        bias.copy_(torch.tensor([-1.0, 0.0, 1.0]))
    lr = torch.rand(2, 3, 9, 11)
    lr[1, 2, 4, 5] = math.nan
    image = model.encode(lr)
    limits = {6: {1: 0.9 * middle(image), 2: middle(image), 6: 1}} if cmsr else None
    table = Scale2Mod.from_limits(limits).bound_to(model) if limits else None
    unclamped, clamped = (image.render(54, 66, cmsr=table, renderer=renderer, clamp=c) for c in (False, True))
    assert ((unclamped < 0) | (unclamped > 1)).float().mean() > 0.01
    assert unclamped.isnan().any()
    torch.testing.assert_close(clamped, unclamped.clamp(0, 1), atol=0, rtol=0, equal_nan=True)
