"""Every LMF model that ships is sound on pictures that are no photographs, and better than bicubic on pictures of any kind.

Text, screenshots and charts are read from `../shared/data/kinds`, and only those are measured that no model was trained on.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import lmf_sr
from lmf_sr.checkpoints import DEFAULT_MODEL, shipped_models
from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.evaluation.soundness import inconsistency, measured_patterns, tone_error
from lmf_sr.images import Picture, resize_pillow
from lmf_sr.upscaling.rendering import enlarged

KINDS = Path(__file__).parents[3] / "shared/data/kinds"
MODELS = [name for name in shipped_models() if "-lm-" in name]
WORST_BLOCK, WORST_PICTURE = 8, 6  # grey levels, of tones; bicubic interpolation itself errs by up to 6 in a block
WORST_PICTURE_OF_DEFAULT = 3
TINY_BOUND = 8  # grey levels
SIDE = 256  # of a picture's middle, which is what is measured of it


@cache
def model(name: str) -> lmf_sr.model.Model:
    return lmf_sr.load(name)


def upscaled(name: str, lr: Tensor, height: int, width: int) -> Tensor:
    return enlarged(model(name), None, Picture(lr), height, width).rgb


def bicubic(lr: Tensor, height: int, width: int) -> Tensor:
    return Bicubic().encode(lr).render(height, width)[0]


def unseen(*kinds: str) -> list[Path]:
    """The pictures of these kinds that no model was trained on: training took every other of text, screens and graphics."""
    if not KINDS.is_dir():
        return []
    parity = {"text": 0, "screens": 1, "graphics": 1}
    return [
        path
        for kind in kinds
        for path in (
            sorted((KINDS / kind).glob("*.png"))[parity[kind] :: 2]
            if kind in parity
            else sorted((KINDS / kind).glob("*.png"))
        )
    ]


def middle(path: Path) -> Tensor:
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
    height, width = (min(SIDE, side - side % 2) for side in pixels.shape[1:])
    top, left = ((side - size) // 2 for side, size in zip(pixels.shape[1:], (height, width), strict=True))
    return pixels[:, top : top + height, left : left + width].float() / 255


needs_kinds = pytest.mark.skipif(
    not KINDS.is_dir(), reason=f"{KINDS} is absent, so pictures of other kinds are not measured"
)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("side", "seed"), [(96, 0), (80, 7)])
def test_tones_stay(name: str, side: int, seed: int) -> None:
    for pattern, lr in measured_patterns(side, seed).items():
        for scale in (2, 4):
            sr = upscaled(name, lr, scale * side, scale * side)
            whole = WORST_PICTURE_OF_DEFAULT if name == DEFAULT_MODEL else WORST_PICTURE
            assert tone_error(lr, sr) <= WORST_BLOCK, (pattern, scale)
            assert tone_error(lr, sr, block=None) <= whole, (pattern, scale)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (12, 1), (2, 2), (3, 5)])
def test_tiny_pictures_keep_their_colours(name: str, size: tuple[int, int]) -> None:
    for colour in ((0, 0, 0), (1, 1, 1), (1, 0, 0), (0.2, 0.5, 0.9)):
        lr = torch.tensor(colour).float()[:, None, None].expand(3, *size).contiguous()
        error = upscaled(name, lr, 4 * size[0], 4 * size[1]) - lr[:, :1, :1]
        assert 255 * error.abs().max() <= TINY_BOUND, colour


@needs_kinds
@pytest.mark.parametrize("path", unseen("text", "screens", "graphics"), ids=lambda path: path.stem)
def test_the_default_model_is_consistent_with_pictures_shown_as_they_are(path: Path) -> None:
    """Bounds of single pictures; over all of them, 0.7 of what bicubic leaves."""
    picture = middle(path)
    found = inconsistency(lambda *arguments: upscaled(DEFAULT_MODEL, *arguments), picture)
    assert found <= max(inconsistency(bicubic, picture), 1)  # flat pictures leave bicubic nothing to lose


@needs_kinds
@pytest.mark.parametrize("name", MODELS)
def test_over_all_pictures_shown_as_they_are_less_is_left_than_by_bicubic(name: str) -> None:
    pictures = [middle(path) for path in unseen("text", "screens", "graphics")]
    found = sum(inconsistency(lambda *arguments: upscaled(name, *arguments), picture) for picture in pictures)
    assert found <= 0.7 * sum(inconsistency(bicubic, picture) for picture in pictures)


@needs_kinds
@pytest.mark.parametrize(
    "path", unseen("text", "screens", "graphics", "aerial", "histology", "xray"), ids=lambda path: path.stem
)
def test_the_default_model_beats_bicubic_on_every_kind_of_picture(path: Path) -> None:
    picture = middle(path)
    _, height, width = picture.shape
    lr = resize_pillow((255 * picture).round().byte(), height // 2, width // 2).float() / 255
    model_error, bicubic_error = (
        (sr - picture).square().mean()
        for sr in (upscaled(DEFAULT_MODEL, lr, height, width), bicubic(lr, height, width))
    )
    assert model_error <= max(bicubic_error, 1e-5)  # 50 dB: some middles are flat
