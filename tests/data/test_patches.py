"""The stream of samples is a function of seed and number, however it is divided among workers and processes."""

import itertools

import pytest
import torch
from torch.utils.data import DataLoader

from lmf_sr.data import Sample, Sampling
from lmf_sr.data.patches import Batches, Patches
from lmf_sr.errors import InputError

SAMPLING = Sampling(patch=8, queries=64, max_scale=2.0)


def patches(seed: int = 0) -> Patches:
    pixels = torch.Generator().manual_seed(0)
    images = {f"{i}": torch.randint(0, 256, (3, 20 + i, 30), dtype=torch.uint8, generator=pixels) for i in range(5)}
    return Patches(images, SAMPLING, seed)


def stream(steps: int, workers: int = 0, first_step: int = 0, processes: int = 1) -> list[Sample]:
    """The first batches of all processes, each step's shares put together again."""
    loaders = [
        DataLoader(patches(), batch_sampler=Batches(4, first_step, rank, processes), num_workers=workers)
        for rank in range(processes)
    ]
    shares = itertools.islice(zip(*loaders, strict=True), steps)
    return [Sample(*(torch.cat(parts) for parts in zip(*share, strict=True))) for share in shares]


def same(first: list[Sample], second: list[Sample]) -> bool:
    pairs = [(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)]
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_number_of_workers_changes_nothing() -> None:
    assert same(stream(6), stream(6, workers=2))


def test_the_number_of_processes_changes_nothing() -> None:
    assert same(stream(6), stream(6, processes=2))


def test_a_stream_taken_up_later_goes_on_the_same() -> None:
    assert same(stream(6)[4:], stream(2, first_step=4))


def test_samples_and_seeds_differ() -> None:
    rgb = torch.cat([batch.rgb for batch in stream(6)])
    assert len(rgb.flatten(1).unique(dim=0)) == 24
    assert not torch.equal(patches(seed=0)[0].rgb, patches(seed=1)[0].rgb)


def test_every_pass_visits_every_image_once_in_an_order_of_its_own() -> None:
    grey = {str(level): torch.full((3, 20, 20), level, dtype=torch.uint8) for level in range(0, 250, 10)}
    stream_of_grey = Patches(grey, SAMPLING, seed=0)
    visits = [[stream_of_grey[25 * visit + i].rgb[0, 0].item() for i in range(25)] for visit in range(3)]
    assert all(len(set(visit)) == 25 for visit in visits)
    assert visits[0] != visits[1] != visits[2] != visits[0]


def test_an_image_smaller_than_the_patch_is_named() -> None:
    images = {
        "large.png": torch.zeros(3, 16, 16, dtype=torch.uint8),
        "t1.png": torch.zeros(3, 15, 90, dtype=torch.uint8),
    }
    with pytest.raises(InputError, match=r"t1.png is 15 x 90 pixels.*need 16 x 16"):
        Patches(images, SAMPLING, seed=0)


def test_a_batch_is_shared_equally_or_not_at_all() -> None:
    with pytest.raises(InputError, match="batch of 16 cannot be shared by 3 processes"):
        Batches(16, processes=3)
