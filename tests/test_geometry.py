"""The geometry shared by all methods, stated as properties."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from lmf_sr.errors import InputError
from lmf_sr.geometry import (
    Grid,
    axis_corners,
    clip_cell,
    ensemble,
    four_corners,
    gather,
    pixel_centers,
    relative_cell,
    sample_bilinear,
)

sizes = st.integers(1, 40)


def points(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def test_pixel_centers_by_hand() -> None:
    assert pixel_centers(4).tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert pixel_centers(2, start=0.5, extent=0.25).tolist() == [0.125, 0.375]


@given(n=sizes, m=sizes)
def test_corners_bracket_the_point(n: int, m: int) -> None:
    """Between the outermost latents, the corners are the two neighbours on either side, 2 apart in relative units."""
    p = pixel_centers(m)
    corners = axis_corners(p, n)
    inside = p.abs() < 1 - 1 / n - 1e-5
    low, high = corners.at[inside].unbind(-1)
    assert (high - low == 1).all()
    assert torch.allclose(corners.rel[inside][:, 0] - corners.rel[inside][:, 1], torch.tensor(2.0, dtype=torch.float64))
    assert (corners.rel[inside, 0] >= -1e-4).all()
    assert (corners.rel[inside, 1] <= 1e-4).all()


@given(n=sizes, m=sizes)
def test_corners_outside_the_outermost_latents_are_one_latent(n: int, m: int) -> None:
    p = pixel_centers(m)
    corners = axis_corners(p, n)
    outside = p.abs() > 1 - 1 / n + 1e-5
    low, high = corners.at[outside].unbind(-1)
    assert torch.equal(low, high)
    assert torch.equal(low, torch.where(p[outside] < 0, 0, n - 1))


@given(h=sizes, w=sizes, seed=st.integers(0, 99))
def test_ensemble_weights_are_a_partition_of_unity(h: int, w: int, seed: int) -> None:
    corners = four_corners(points(seed, 1, 30), (h, w))
    assert (corners.weight >= 0).all()
    assert torch.allclose(corners.weight.sum(-1), torch.tensor(1.0, dtype=torch.float64))


@given(h=sizes, w=sizes, seed=st.integers(0, 99))
def test_the_ensemble_of_latent_values_is_bilinear_interpolation(h: int, w: int, seed: int) -> None:
    image = torch.randn(1, 2, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    coords = points(seed, 1, 30)
    corners = four_corners(coords, (h, w))
    mixed = ensemble(gather(image.permute(0, 2, 3, 1), corners.at), corners.weight)
    assert torch.allclose(mixed, sample_bilinear(image, coords), atol=1e-9)


def test_weights_where_a_pixel_sits_on_the_outermost_latent() -> None:
    """At x3 the centre of the last LR pixel is an output pixel, so both corners are that latent, at distance 0."""
    corners = axis_corners(pixel_centers(9), 3)
    assert corners.at[7].tolist() == [2, 2]
    assert corners.rel[7].abs().max() < 1e-12
    assert corners.weight[7].tolist() == [0.5, 0.5]


def test_weights_are_exact_at_the_centre_of_an_inner_latent() -> None:
    corners = axis_corners(pixel_centers(9), 3)
    low, high = corners.at[4].tolist()
    assert corners.weight[4].max() == pytest.approx(1)
    assert [low, high][int(corners.weight[4].argmax())] == 1


@given(n=st.integers(1, 5000), scale=st.sampled_from([1, 3, 5, 7]))
def test_float32_finds_a_latent_that_a_pixel_is_centred_on(n: int, scale: int) -> None:
    """It is found however long the axis is; two roundings might find only the two latents beside it."""
    corners = axis_corners(pixel_centers(n * scale).float(), n)
    centred = slice(scale // 2, None, scale)
    own = (corners.at[centred] == torch.arange(n)[:, None]) * corners.weight[centred]
    assert torch.allclose(own.sum(-1), torch.tensor(1.0), atol=1e-3)


def test_the_area_form_of_liif_is_the_separable_form() -> None:
    """The weight of a corner is the area of the rectangle to the opposite corner, wherever that form is defined."""
    corners = four_corners(points(0, 1, 500) * 0.9, (10, 12))
    area = corners.rel.prod(-1).abs() + 1e-9
    assert torch.allclose(corners.weight, area.flip(-1) / area.sum(-1, keepdim=True), atol=1e-6)


def test_an_axis_of_one_latent() -> None:
    corners = axis_corners(pixel_centers(5), 1)
    assert corners.at.eq(0).all()
    assert corners.weight.eq(0.5).all()


def test_gather_reads_row_major_positions_of_each_image() -> None:
    latents = torch.arange(2 * 3 * 4.0).view(2, 3, 4, 1)
    assert gather(latents, torch.tensor([[0, 5], [11, 2]])).squeeze(-1).tolist() == [[0, 5], [23, 14]]


def test_relative_cell_is_in_units_of_half_lr_pixels() -> None:
    assert relative_cell(torch.tensor([2 / 30, 2 / 80]), (10, 20)).tolist() == pytest.approx([2 / 3, 0.5])


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 1.0), (2.7, 1.0), (4.0, 1.0), (6.0, 1.5), (30.0, 7.5)])
def test_cells_are_clipped_beyond_scale_4(scale: float, expected: float) -> None:
    cell = torch.tensor([2 / (scale * 20), 2 / (scale * 30)], dtype=torch.float64)
    assert torch.allclose(clip_cell(cell, (20, 30)), cell * expected)


def test_a_clipped_anisotropic_cell_keeps_its_aspect() -> None:
    cell = torch.tensor([2 / (2 * 20), 2 / (18 * 30)], dtype=torch.float64)  # x2 by x18: scale sqrt(36)
    assert torch.allclose(clip_cell(cell, (20, 30)), cell * 1.5)


@given(height=sizes, width=sizes)
def test_a_region_is_a_window_of_the_whole(height: int, width: int) -> None:
    whole = Grid.over(2 * height, 3 * width)
    part = Grid.over(height, width, (0.5, 1 / 3, 0.5, 1 / 3))
    assert torch.allclose(part.rows, whole.rows[height:])
    assert torch.allclose(part.cols, whole.cols[width : 2 * width])
    assert part.cell == pytest.approx(whole.cell)


def test_grid_coords_are_row_major_and_bands_are_their_slices() -> None:
    grid = Grid.over(4, 3)
    assert torch.equal(grid.coords()[:4, 0], torch.tensor([-0.75, -0.75, -0.75, -0.25], dtype=torch.float64))
    assert torch.equal(grid.band(1, 3).coords(), grid.coords()[3:9])
    assert Grid.over(1, 1).coords().tolist() == [[0, 0]]


def test_neighbouring_pixels_stay_apart_at_gigapixel_sizes() -> None:
    n = 60_000
    rel = axis_corners(pixel_centers(n), n // 30).rel[:, 0]
    inner = rel[30:-30].diff()
    step = inner[inner > 0]
    assert torch.allclose(step, torch.full_like(step, 2 / 30), rtol=1e-6)


@pytest.mark.parametrize("size", [(0, 5), (5, -1)])
def test_an_empty_grid_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        Grid.over(*size)


def test_an_empty_region_is_refused() -> None:
    with pytest.raises(InputError, match=r"region .* is empty"):
        Grid.over(5, 5, (0.0, 0.0, 0.0, 1.0))


class BoundsOnTheDevice(TorchDispatchMode):
    """Fails where a bound lies on another device than the values, which only a GPU would refuse."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.clamp.Tensor:
            bounds = [bound for bound in (*args[1:], *(kwargs or {}).values()) if bound is not None]
            assert all(bound.device == args[0].device for bound in bounds)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("offset", [None, 0.25])
def test_sizes_of_a_trace_are_taken_to_the_points(offset: float | None) -> None:
    # `lmf-sr profile` and the training's count of MACs trace a model on its device.
    with BoundsOnTheDevice():
        corners = axis_corners(torch.zeros(5, device="meta"), torch.tensor(3), offset)
    assert corners.at.device.type == "meta"
