"""Pairs: which LR image belongs to which HR pixels."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmf_sr.data.evaluation import PairedImages, benchmark_sets, embedded_set, folder_set
from lmf_sr.errors import InputError
from lmf_sr.images import HELD_OUT, read_rgb8, resize_pillow


def photograph(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@given(st.integers(8, 60), st.integers(8, 60), st.floats(1, 8))
def test_hr_is_cropped_to_the_rounded_multiple_and_reduced_by_pillow(height: int, width: int, scale: float) -> None:
    image = photograph(height, width)
    pair = PairedImages("set", {"a": image}).pair("a", scale)
    h, w = math.floor(height / scale + 1e-9), math.floor(width / scale + 1e-9)
    assert pair.lr.shape == (3, h, w)
    assert torch.equal(pair.hr, image[:, : round(h * scale), : round(w * scale)])
    assert torch.equal(pair.lr, resize_pillow(pair.hr, h, w))


def test_a_multiple_in_decimals_loses_nothing_to_rounding() -> None:
    pair = PairedImages("set", {"a": photograph(270, 27)}).pair("a", 2.7)
    assert pair.lr.shape == (3, 100, 10)
    assert pair.hr.shape == (3, 270, 27)


@pytest.mark.parametrize("scale", [2, 3, 4, 8, 2.0])
def test_a_benchmark_sets_own_lr_images_are_used(shared: Path, scale: float) -> None:
    root = shared / "data" / "benchmark"
    (set5,) = benchmark_sets(root, ["Set5"])
    assert len(set5) == 5
    for pair in set5.pairs(scale):
        assert torch.equal(pair.lr, read_rgb8(root / f"Set5/LR_bicubic/X{scale:g}/{pair.name}x{scale:g}.png"))
        assert pair.hr.shape[1:] == tuple(round(side * scale) for side in pair.lr.shape[1:])


def test_scales_a_set_does_not_ship_are_made(shared: Path) -> None:
    (set5,) = benchmark_sets(shared / "data" / "benchmark", ["Set5"])
    pair = set5.pair("butterfly", 2.5)
    assert torch.equal(pair.lr, resize_pillow(pair.hr, *pair.lr.shape[1:]))


def test_the_embedded_set_is_what_training_never_sees() -> None:
    assert embedded_set().names() == list(HELD_OUT)


def test_bad_scales_and_sizes_are_named() -> None:
    images = PairedImages("set", {"a": photograph(10, 4)})
    for scale in (0.5, 0, -2, math.nan, math.inf):
        with pytest.raises(InputError, match="at least 1"):
            images.pair("a", scale)
    with pytest.raises(InputError, match="a is 10 x 4 pixels"):
        images.pair("a", 5)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Set6"):
        benchmark_sets(tmp_path, ["Set6"])
    with pytest.raises(InputError, match="nowhere"):
        folder_set(tmp_path / "nowhere")
