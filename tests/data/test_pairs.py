"""Pairs: which LR image belongs to which HR pixels."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lmf_sr.data import PairedImages
from lmf_sr.data.pairs import decode
from lmf_sr.errors import InputError
from lmf_sr.images import read_rgb8, resize_pillow


def photograph(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def write(path: Path, height: int, width: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photograph(height, width).permute(1, 2, 0).numpy()).save(path)
    return path


@given(st.integers(8, 60), st.integers(8, 60), st.floats(1, 8))
def test_hr_is_cropped_to_the_rounded_multiple_and_reduced_by_pillow(height: int, width: int, scale: float) -> None:
    image = photograph(height, width)
    pair = PairedImages("set", {"a": image}).pair("a", scale)
    h, w = math.floor(height / scale + 1e-9), math.floor(width / scale + 1e-9)
    assert pair.lr.shape == (3, h, w)
    assert torch.equal(pair.hr, image[:, : round(h * scale), : round(w * scale)])
    assert torch.equal(pair.lr, resize_pillow(pair.hr, h, w))


def test_a_scale_in_decimals_loses_nothing_to_rounding() -> None:
    pair = PairedImages("set", {"a": photograph(270, 27)}).pair("a", 2.7)
    assert pair.lr.shape == (3, 100, 10)
    assert pair.hr.shape == (3, 270, 27)


def test_the_sets_own_lr_image_is_preferred_at_its_scale_only(tmp_path: Path) -> None:
    hr = write(tmp_path / "HR" / "a.png", 21, 30)
    own = write(tmp_path / "LR_bicubic" / "X2" / "ax2.png", 10, 15)
    images = PairedImages.from_files("set", [hr], tmp_path / "LR_bicubic")
    assert images.pair("a", 2.0).hr.shape == (3, 20, 30)
    assert torch.equal(images.pair("a", 2.0).lr, read_rgb8(own))
    assert torch.equal(images.pair("a", 3.0).lr, resize_pillow(read_rgb8(hr), 7, 10))


def test_lr_images_of_a_set_and_computed_ones_are_not_mixed(tmp_path: Path) -> None:
    files = [write(tmp_path / "HR" / f"{name}.png", 21, 30) for name in "ab"]
    write(tmp_path / "LR_bicubic" / "X2" / "ax2.png", 10, 15)
    images = PairedImages.from_files("set", files, tmp_path / "LR_bicubic")
    assert (images.lr_source(2.0), images.lr_source(3.0)) == ("file", "computed")
    with pytest.raises(InputError, match="set has LR images of its own at scale 2, but none named bx2: complete them"):
        images.pair("b", 2.0)
    with pytest.raises(InputError, match="none named bx2"):
        images.hr_size("b", 2.0)


def test_decoded_images_no_longer_need_their_files(tmp_path: Path) -> None:
    hr = write(tmp_path / "HR" / "a.png", 21, 30)
    own = write(tmp_path / "LR_bicubic" / "X2" / "ax2.png", 10, 15)
    images = PairedImages.from_files("set", [hr], tmp_path / "LR_bicubic")
    before = [images.pair("a", scale) for scale in (2.0, 2.5)]
    decoded = images.decoded([2.0, 2.5])
    hr.unlink()
    own.unlink()
    for pair in before:
        after = decoded.pair("a", pair.scale)
        assert torch.equal(pair.lr, after.lr)
        assert torch.equal(pair.hr, after.hr)
        assert decoded.hr_size("a", pair.scale) == pair.hr.shape[1:]


def test_an_lr_image_too_large_for_its_hr_image_is_refused(tmp_path: Path) -> None:
    hr = write(tmp_path / "HR" / "a.png", 21, 30)
    write(tmp_path / "LR_bicubic" / "X2" / "ax2.png", 11, 15)
    with pytest.raises(InputError, match=r"ax2 is 11 x 15 pixels, too large to be the x2 LR image of a"):
        PairedImages.from_files("set", [hr], tmp_path / "LR_bicubic").pair("a", 2.0)


def test_pairs_come_in_order_and_know_their_scale() -> None:
    images = PairedImages("set", {name: photograph(8, 8) for name in "cab"})
    assert [(pair.name, pair.scale) for pair in images.pairs(2.0)] == [("c", 2.0), ("a", 2.0), ("b", 2.0)]
    assert len(images) == 3


def test_files_that_share_a_stem_keep_apart(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.png", "a.jpg", "b.png")]
    assert PairedImages.from_files("set", files).names() == ["a.png", "a.jpg", "b"]


@pytest.mark.parametrize("scale", [0.5, 0.0, -2.0, math.nan, math.inf])
def test_a_scale_under_1_is_refused(scale: float) -> None:
    with pytest.raises(InputError, match="at least 1"):
        PairedImages("set", {"a": photograph(8, 8)}).pair("a", scale)


def test_a_scale_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="a is 10 x 4 pixels, which leaves nothing at scale 5"):
        PairedImages("set", {"a": photograph(10, 4)}).pair("a", 5.0)


def test_decoding_names_the_file_it_cannot_read(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{i}.png", 8, 8) for i in range(4)]
    files[2].write_bytes(files[2].read_bytes()[:60])
    with pytest.raises(InputError, match=r"2\.png"):
        decode({file.name: file for file in files})
