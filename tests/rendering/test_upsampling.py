"""Bilinear upsampling between grids and windows of grids, compiled and not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lmf_sr.geometry import Grid
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.rendering import upsampling
from lmf_sr.rendering.pixel_axes import PixelMask
from lmf_sr.rendering.value_range import PIXELS, UNCLAMPED, ValueRange

LEFT_ALONE = 7.0
side = st.integers(1, 12)


@pytest.fixture(scope="module", params=["compiled", "torch"], autouse=True)
def form(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "compiled" and why_not_compiled() is not None:
        pytest.skip(f"SKIPPED FOR LACK OF A COMPILER: {why_not_compiled()}")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "torch":
            patch.setattr(upsampling, "why_not_compiled", lambda: "not wanted")
        yield


def upsample(picture: torch.Tensor, source: Grid, target: Grid) -> torch.Tensor:
    out = picture.new_full((*picture.shape[:2], len(target.rows) + 2, len(target.cols) + 3), torch.nan)
    window = out[:, :, 1:-1, 2:-1]  # a part of something larger
    upsampling.upsample(picture, source, target, window)
    assert out.isnan().sum() == out.numel() - window.numel()
    return window


def picture(h: int, w: int) -> torch.Tensor:
    return torch.rand(2, 3, h, w, generator=torch.Generator().manual_seed(0))


@settings(deadline=None)
@given(h=side, w=st.integers(1, 80), height=side, width=st.integers(1, 80))
def test_whole_pictures(h: int, w: int, height: int, width: int) -> None:
    found = upsample(picture(h, w), Grid.over(h, w), Grid.over(height, width))
    expected = F.interpolate(picture(h, w).double(), (height, width), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, expected.float(), atol=2e-6, rtol=0)


@settings(deadline=None)
@given(data=st.data(), h=side, w=side, height=side, width=side)
def test_a_window_of_the_target(data: st.DataObject, h: int, w: int, height: int, width: int) -> None:
    source, target = Grid.over(h, w), Grid.over(height, width)
    rows, cols = (
        slice(first := data.draw(st.integers(0, n - 1)), data.draw(st.integers(first + 1, n))) for n in target.size
    )
    window = replace(target, rows=target.rows[rows], cols=target.cols[cols])
    whole = upsample(picture(h, w), source, target)
    torch.testing.assert_close(upsample(picture(h, w), source, window), whole[..., rows, cols], atol=2e-6, rtol=0)


def test_a_window_of_the_source() -> None:
    """A window that holds all pixels that are read gives what the whole source gives."""
    source, target = Grid.over(8, 10), Grid.over(24, 30)
    window = replace(target, rows=target.rows[9:14], cols=target.cols[6:8])
    part = replace(source, rows=source.rows[2:6], cols=source.cols[1:4])
    found = upsample(picture(8, 10)[..., 2:6, 1:4], part, window)
    torch.testing.assert_close(found, upsample(picture(8, 10), source, window), atol=2e-6, rtol=0)


@settings(deadline=None)
@given(
    lr=st.tuples(st.integers(1, 7), st.integers(1, 20)),
    scale=st.floats(1.0, 9.0),
    window=st.tuples(st.floats(0, 0.8), st.floats(0, 0.8)),
    seed=st.integers(0, 99),
)
def test_what_is_needed_alone(lr: tuple[int, int], scale: float, window: tuple[float, float], seed: int) -> None:
    """The needed pixels are as they are among all pixels, and the others are left alone."""
    source, whole = Grid.over(6, 40), Grid.over(*(int(scale * side) for side in lr))
    first_row, first_col = (int(share * side) for share, side in zip(window, whole.size, strict=True))
    target = replace(whole, rows=whole.rows[first_row:], cols=whole.cols[first_col:])
    needed = PixelMask(torch.rand(2, *lr, generator=torch.Generator().manual_seed(seed)) < 0.6, target)
    pixels = needed.pixels()[:, None].expand(-1, 3, -1, -1)
    found = torch.full((2, 3, *target.size), LEFT_ALONE)
    upsampling.upsample(picture(6, 40), source, target, found, needed)
    torch.testing.assert_close(found[pixels], upsample(picture(6, 40), source, target)[pixels], atol=1e-6, rtol=0)
    assert (found[~pixels] == LEFT_ALONE).all()


def test_a_grid_to_itself_is_a_copy() -> None:
    torch.testing.assert_close(upsample(picture(4, 5), Grid.over(4, 5), Grid.over(4, 5)), picture(4, 5))


def test_a_picture_in_any_layout() -> None:
    source, target = Grid.over(4, 5), Grid.over(7, 9)
    expected = upsample(picture(4, 5), source, target)
    channels_last = picture(4, 5).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(upsample(channels_last, source, target), expected)
    part = torch.zeros(2, 3, 9, 9)[:, :, 2:6, 3:8].copy_(picture(4, 5))
    torch.testing.assert_close(upsample(part, source, target), expected)


@pytest.mark.parametrize("values", [UNCLAMPED, PIXELS, ValueRange(3.0, -0.5, 0.0, 1.0)])
def test_the_values_of_a_picture_are_written(values: ValueRange) -> None:
    source, target = Grid.over(4, 5), Grid.over(33, 49)
    expected = values.apply_(upsample(picture(4, 5), source, target).clone())
    out = torch.empty(2, 3, 33, 49)
    upsampling.upsample(picture(4, 5), source, target, out, values=values)
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)


def test_double_precision_is_kept() -> None:
    assert upsample(picture(4, 5).double(), Grid.over(4, 5), Grid.over(7, 9)).dtype == torch.float64
