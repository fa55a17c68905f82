"""Bicubic resampling: MATLAB's files to the pixel, Pillow's results to the bit, and the closed forms in between."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lmf_sr.errors import InputError
from lmf_sr.images import imresize, imresize_rows, list_images, luma, read_rgb8, resize_pillow
from lmf_sr.images.resample import bicubic_taps

sides = st.integers(1, 40)
quick = settings(deadline=None, max_examples=30)


def pairs(shared: Path, name: str, scale: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The HR images of a benchmark set, cropped to a multiple of the scale, and MATLAB's LR images of them."""
    found = []
    for path in list_images(shared / "data" / "benchmark" / name / "HR"):
        hr = read_rgb8(path)
        hr = hr[:, : hr.shape[1] // scale * scale, : hr.shape[2] // scale * scale]
        found.append((hr, read_rgb8(path.parents[1] / "LR_bicubic" / f"X{scale}" / f"{path.stem}x{scale}.png")))
    return found


def weights_of_pixel(length: int, out_length: int, pixel: int) -> torch.Tensor:
    """The weight of each input pixel in an output pixel."""
    taps, weights = (x[pixel] for x in bicubic_taps(length, out_length))
    return torch.zeros(length, dtype=torch.float64).scatter_add_(0, taps, weights)


class TestMatlab:
    @pytest.mark.parametrize("scale", [2, 3, 4])
    def test_reproduces_matlabs_files(self, shared: Path, scale: int) -> None:
        for hr, lr in pairs(shared, "Set5", scale):
            assert torch.equal(imresize(hr, hr.shape[1] // scale, hr.shape[2] // scale), lr)

    @pytest.mark.parametrize("scale", [2, 3, 4])
    def test_float_input_rounded_once_is_within_a_grey_level(self, shared: Path, scale: int) -> None:
        for hr, lr in pairs(shared, "Set5", scale):
            mine = (imresize(hr.float() / 255, *lr.shape[1:]) * 255).round().clamp(0, 255)
            assert ((mine - lr.float()).abs() <= 1).float().mean() >= 0.999

    @pytest.mark.parametrize(("scale", "expected"), [(2, 33.66), (3, 30.39), (4, 28.42)])
    def test_bicubic_upscaling_scores_as_the_field_reports(self, shared: Path, scale: int, expected: float) -> None:
        scores = []
        for hr, lr in pairs(shared, "Set5", scale):
            sr = imresize(lr.float() / 255, *hr.shape[1:]).clamp(0, 1)
            error = (luma(sr) - luma(hr.float() / 255))[..., scale:-scale, scale:-scale]
            scores.append(-10 * error.square().mean().log10().item())
        assert np.mean(scores) == pytest.approx(expected, abs=0.03)

    @quick
    @given(h=sides, w=sides, height=sides, width=sides, data=st.data())
    def test_some_rows(self, h: int, w: int, height: int, width: int, data: st.DataObject) -> None:
        image = torch.rand(1, h, w)
        top, bottom = sorted(data.draw(st.tuples(st.integers(0, height), st.integers(0, height))))
        found = imresize_rows(image, height, width, slice(top, bottom))
        torch.testing.assert_close(found, imresize(image, height, width)[:, top:bottom], atol=1e-5, rtol=0)

    def test_weights_worked_out_by_hand(self) -> None:
        """Twofold: taps at +-1/4, 3/4, 5/4, 7/4 of the kernel; halving: at +-1/4, 3/4 ... of it stretched by two."""
        up = torch.tensor([-0.0234375, 0.2265625, 0.8671875, -0.0703125], dtype=torch.float64)
        torch.testing.assert_close(weights_of_pixel(8, 16, 8)[2:6], up)
        down = torch.tensor([-3, -9, 29, 111, 111, 29, -9, -3], dtype=torch.float64) / 256
        torch.testing.assert_close(weights_of_pixel(16, 8, 4)[5:13], down)

    def test_border_is_mirrored(self) -> None:
        image = torch.rand(1, 9, 7, dtype=torch.float64)
        mirrored = torch.cat([image.flip(1), image, image.flip(1)], dim=1)
        torch.testing.assert_close(imresize(mirrored, 54, 7)[:, 18:36], imresize(image, 18, 7))

    @given(h=sides, w=sides, height=sides, width=sides)
    @quick
    def test_constants_are_preserved(self, h: int, w: int, height: int, width: int) -> None:
        assert torch.equal(
            imresize(torch.full((3, h, w), 77, dtype=torch.uint8), height, width),
            torch.full((3, height, width), 77, dtype=torch.uint8),
        )
        torch.testing.assert_close(imresize(torch.ones(2, 3, h, w), height, width), torch.ones(2, 3, height, width))

    @given(h=sides, w=sides, seed=st.integers(0, 9))
    @quick
    def test_identity(self, h: int, w: int, seed: int) -> None:
        image = torch.rand(3, h, w, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(imresize(image, h, w), image)

    @given(length=st.integers(30, 60), out_length=st.integers(7, 200))
    @quick
    def test_ramps_are_preserved_when_enlarging(self, length: int, out_length: int) -> None:
        ramp = torch.arange(length, dtype=torch.float64).expand(1, 1, length)
        positions = (torch.arange(out_length) + 0.5) * length / out_length - 0.5
        inside = (positions >= 2) & (positions <= length - 3)
        if out_length >= length:
            torch.testing.assert_close(
                imresize(ramp, 1, out_length)[0, 0, inside], positions[inside].double(), atol=1e-4, rtol=0
            )

    @given(h=sides, w=sides, height=sides, width=sides, seed=st.integers(0, 9))
    @quick
    def test_rows_and_columns_are_alike(self, h: int, w: int, height: int, width: int, seed: int) -> None:
        image = torch.rand(h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(imresize(image, height, width).mT, imresize(image.mT, width, height))

    def test_antialiasing(self) -> None:
        """The finest checkerboard shrinks to grey, not to black or white."""
        board = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).float()
        torch.testing.assert_close(imresize(board, 13, 13), torch.full((13, 13), 0.5), atol=0.02, rtol=0)

    @pytest.mark.parametrize("size", [(0, 4), (4, -1)])
    def test_bad_size(self, size: tuple[int, int]) -> None:
        with pytest.raises(InputError, match=f"{size[0]}x{size[1]}"):
            imresize(torch.zeros(3, 4, 4), *size)


class TestPillow:
    @given(h=sides, w=sides, height=sides, width=sides, seed=st.integers(0, 9))
    @quick
    def test_is_pillows_own(self, h: int, w: int, height: int, width: int, seed: int) -> None:
        image = np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8)
        expected = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
        resized = resize_pillow(torch.from_numpy(image).permute(2, 0, 1), height, width)
        assert np.array_equal(resized.permute(1, 2, 0).numpy(), expected)

    def test_agrees_with_matlabs_rule_away_from_the_border(self) -> None:
        image = torch.from_numpy(np.random.default_rng(0).integers(64, 192, (3, 64, 96), np.uint8))  # nothing saturates
        difference = resize_pillow(image, 32, 48).int() - imresize(image, 32, 48).int()
        assert difference[:, 2:-2, 2:-2].abs().max() <= 1

    def test_bad_size(self) -> None:
        with pytest.raises(InputError, match="0x4"):
            resize_pillow(torch.zeros(3, 4, 4, dtype=torch.uint8), 0, 4)
