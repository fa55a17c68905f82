"""Content mixed among photographs: its shares, samples as functions of their number, HR patches that reduce to LR."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from lmf_sr.data import Content, Sample, Sampling
from lmf_sr.data.patches import Patches
from lmf_sr.data.patterns import KINDS, draw_pattern
from lmf_sr.data.sampling import enlarged
from lmf_sr.errors import InputError
from lmf_sr.evaluation.soundness import measured_patterns

SAMPLING = Sampling(patch=16, queries=256, max_scale=2.0)
GREY = {"grey": torch.full((3, 40, 40), 128, dtype=torch.uint8)}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """One large picture, and one only as large as an LR patch."""
    for name, side in (("large", 60), ("small", 16)):
        pixels = np.random.default_rng(side).integers(256, size=(side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def samples(content: Content, count: int, seed: int = 0) -> list[Sample]:
    patches = Patches(GREY, SAMPLING, seed, content)
    return [patches[number] for number in range(count)]


def is_grey(sample: Sample) -> bool:
    return bool((sample.lr - sample.lr.mean()).abs().max() < 1e-6)


def test_shares_are_those_asked_for(pictures: Path) -> None:
    numbers = 300
    shown = [is_grey(sample) for sample in samples(Content(0.2, 0.3, pictures), numbers)]
    assert sum(shown) / numbers == pytest.approx(0.5, abs=0.1)  # a few patterns are flat as well
    assert all(is_grey(sample) for sample in samples(Content(), 50))


def test_a_sample_is_a_function_of_seed_and_number(pictures: Path) -> None:
    content = Content(0.5, 0.5, pictures)
    first, again, other = samples(content, 6), samples(content, 6), samples(content, 6, seed=1)
    for a, b in zip(first, again, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not any(torch.equal(a.lr, b.lr) for a, b in zip(first, other, strict=True))


def test_photographs_are_drawn_as_they_are_without_other_content() -> None:
    photograph = {"photograph": torch.randint(0, 256, (3, 50, 60), dtype=torch.uint8)}
    alone, mixed = (Patches(photograph, SAMPLING, 0, content) for content in (None, Content(patterns=0.5)))
    same = [torch.equal(alone[i].rgb, mixed[i].rgb) for i in range(40)]
    assert 8 < sum(same) < 32


def test_a_picture_as_it_is_gives_its_own_pixels_as_the_lr_patch(pictures: Path) -> None:
    (pictures / "large.png").unlink()
    picture = torch.from_numpy(np.array(Image.open(pictures / "small.png"))).permute(2, 0, 1).float() / 127.5 - 1
    turned = [
        flipped for view in (picture, picture.mT) for axes in ([], [1], [2], [1, 2]) for flipped in [view.flip(axes)]
    ]
    for sample in samples(Content(0.0, 1.0, pictures), 5):
        assert any(torch.allclose(sample.lr, view, atol=1e-6) for view in turned)


@pytest.mark.parametrize("side", [48, 71, 96, 192])
def test_the_enlargement_reduces_to_the_lr_patch_where_nothing_is_clipped(side: int) -> None:
    lr = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0)) * 0.4 - 0.2
    reduced = F.interpolate(enlarged(lr, side)[None], (48, 48), mode="bicubic", antialias=True)[0]
    assert (reduced - lr).square().mean().sqrt() < 0.08 * lr.std()


def test_the_enlargement_keeps_the_tone_of_a_checkerboard() -> None:
    board = ((torch.arange(48)[:, None] + torch.arange(48)) % 2).float().expand(3, 48, 48) * 2 - 1
    assert enlarged(board, 120).mean().abs() < 2 / 127.5


@pytest.mark.parametrize("side", [72, 96, 144, 192])
@pytest.mark.parametrize("name", ["error diffusion", "ordered dither", "small glyphs"])
def test_the_enlargement_keeps_the_tones_of_single_pixels(name: str, side: int) -> None:
    # Back-projection alone shifts them by up to 15 grey levels, and a model learns that.
    lr = measured_patterns(48)[name] * 2 - 1
    found, wanted = (F.adaptive_avg_pool2d(picture, 3) for picture in (enlarged(lr, side), lr))
    assert (found - wanted).abs().max() < 4 / 127.5


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_pattern_is_drawn_within_its_range_and_differs_with_its_seed(kind: object) -> None:
    drawn = [kind(33, np.random.default_rng(seed)) for seed in range(8)]  # type: ignore[operator]
    assert all(coverage.shape == (33, 33) and coverage.min() >= 0 and coverage.max() <= 1 for coverage in drawn)
    assert len({coverage.tobytes() for coverage in drawn}) > 4


def test_patterns_are_pictures_of_three_channels() -> None:
    drawn = [draw_pattern(24, np.random.default_rng(seed)) for seed in range(60)]
    assert all(pattern.shape == (3, 24, 24) and pattern.dtype == torch.uint8 for pattern in drawn)
    assert any(len(pattern.flatten(1).unique(dim=1).T) > 100 for pattern in drawn)  # noise
    assert any(len(pattern.flatten(1).unique(dim=1).T) == 2 for pattern in drawn)  # two colours


@pytest.mark.parametrize(
    ("shares", "message"),
    [((0.7, 0.4), "0.7 patterns and 0.4 pictures"), ((-0.1, 0), "-0.1"), ((0, 0.1), "content.root=DIR")],
)
def test_impossible_shares_are_refused(shares: tuple[float, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Content(*shares)


def test_a_picture_smaller_than_an_lr_patch_is_refused(pictures: Path) -> None:
    with pytest.raises(InputError, match=r"small\.png is 16 x 16 pixels"):
        Patches(GREY, Sampling(patch=20, queries=100, max_scale=2.0), 0, Content(0, 0.5, pictures))
