"""A training sample holds what the papers say, and is a function of its generator."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmf_sr.data import Sample, Sampling
from lmf_sr.errors import InputError
from lmf_sr.images import resize_pillow

# Every pixel says where it is: red its row, green its column.
MAP = torch.stack([*torch.meshgrid(torch.arange(140), torch.arange(160), indexing="ij"), torch.zeros(140, 160)]).byte()

POSES = [torch.tensor(pose) for a in (1, -1) for b in (1, -1) for pose in ([[a, 0], [0, b]], [[0, a], [b, 0]])]


def levels(values: torch.Tensor) -> torch.Tensor:
    return ((values * 0.5 + 0.5) * 255).round().long()


def placement(sample: Sample) -> tuple[int, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Side and pixels of the patch, and the pose and origin for which: place in the image = origin + pose @ pixel."""
    side = round(2 / sample.cell[0, 0].item())
    pixels = (sample.coords + 1) * side / 2 - 0.5
    assert torch.allclose(pixels, pixels.round(), atol=1e-4)
    pixels = pixels.round().long()
    for pose in POSES:
        origins = levels(sample.rgb)[:, :2] - pixels @ pose.T
        if (origins == origins[0]).all():
            return side, pixels, pose, origins[0]
    raise AssertionError("the queries are not pixels of one patch of the image")


@given(seed=st.integers(0, 2**32), scales=st.tuples(st.floats(1, 4), st.floats(1, 4)).map(sorted))
def test_queries_are_distinct_pixels_of_the_patch_that_lr_reduces(seed: int, scales: list[float]) -> None:
    low, high = scales
    sampling = Sampling(patch=16, queries=16 * 16, min_scale=low, max_scale=high)
    sample = sampling.draw(MAP, np.random.default_rng(seed))
    side, pixels, pose, origin = placement(sample)
    assert round(16 * low) <= side <= round(16 * high)
    assert torch.equal(sample.cell, torch.full((1, 2), 2 / side))
    assert len(pixels.unique(dim=0)) == 256
    patch = origin + torch.cartesian_prod(torch.arange(side), torch.arange(side)) @ pose.T
    hr = MAP[:, patch[:, 0], patch[:, 1]].view(3, side, side)
    assert torch.equal(levels(sample.lr), resize_pillow(hr, 16, 16).long())


def test_every_side_pose_and_place_is_drawn() -> None:
    draws = [placement(Sampling(patch=8, queries=64).draw(MAP, np.random.default_rng(seed))) for seed in range(400)]
    assert {side for side, *_ in draws} == set(range(8, 33))
    assert {tuple(pose.flatten().tolist()) for _, _, pose, _ in draws} == {tuple(p.flatten().tolist()) for p in POSES}
    corners = torch.stack([torch.stack([origin, origin + pose.sum(1) * (side - 1)]) for side, _, pose, origin in draws])
    assert corners.amin((0, 1)).tolist() == [0, 0]
    assert corners.amax((0, 1)).tolist() == [139, 159]


def test_the_same_generator_draws_the_same_sample() -> None:
    first, second = (Sampling().draw(MAP.repeat(1, 2, 2), np.random.default_rng(7)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert first.lr.shape == (3, 48, 48)
    assert first.rgb.shape == (*first.coords.shape[:1], 3) == (2304, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queries": 2305}, "2305 queries cannot be drawn from a patch of 48 pixels at scale 1, which has 2304"),
        ({"queries": 0}, "0 queries"),
        ({"min_scale": 0.5}, "from 0.5 to 4"),
        ({"min_scale": 3.0, "max_scale": 2.0}, "from 3 to 2"),
    ],
)
def test_impossible_samples_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sampling(**options)
