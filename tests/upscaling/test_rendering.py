"""Bands of a picture made larger: those of the model, and of a continued picture where a side is tiny."""

import pytest
import torch
import torch.nn.functional as F

import lmf_sr
from lmf_sr.images import Picture
from lmf_sr.upscaling.rendering import enlarged


@pytest.fixture(scope="module")
def model() -> lmf_sr.Model:
    torch.manual_seed(0)
    return lmf_sr.build({"name": "edsr-tiny", "n_resblocks": 1, "n_feats": 16}, "lm-liif").eval()


def test_a_picture_is_what_the_model_renders(model: lmf_sr.Model) -> None:
    rgb = torch.rand(3, 16, 21)
    assert torch.allclose(
        enlarged(model, None, Picture(rgb), 40, 61).rgb, model.encode(rgb).render(40, 61)[0], atol=1e-6
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 20), (20, 3), (2, 5), (5, 5)])
@pytest.mark.parametrize("scale", [1, 2.7, 9])
def test_a_tiny_picture_is_continued_by_its_border(model: lmf_sr.Model, size: tuple[int, int], scale: float) -> None:
    rgb = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    height, width = (round(scale * side) for side in size)
    found = enlarged(model, None, Picture(rgb), height, width).rgb
    assert found.shape == (3, height, width)
    repeats = [-(-8 // side) if side < 6 else 0 for side in size]
    rows, cols = (n * side for n, side in zip(repeats, size, strict=True))
    large = F.pad(rgb[None], (cols, cols, rows, rows), mode="replicate")
    above, left = repeats[0] * height, repeats[1] * width
    whole = model.encode(large).render(height + 2 * above, width + 2 * left)[0]
    assert torch.allclose(found, whole[:, above : above + height, left : left + width], atol=1e-6)
