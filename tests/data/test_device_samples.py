"""Samples made on a device from the cuts of a batch are those that workers make."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader, default_collate

from lmf_sr.data import Content, Sample, Sampling
from lmf_sr.data.device_samples import TOGETHER, CutsOfPatches, DeviceSamples
from lmf_sr.data.patches import Batches, Patches
from lmf_sr.images import resize_pillow
from lmf_sr.images.resample import pillow_weights

CPU = torch.device("cpu")
LEVEL = 1 / 127.5
SAMPLING = Sampling(patch=16, queries=200, max_scale=4.0)


def noise(seed: int, height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def mixed(tmp_path: Path) -> Content:
    """Patterns and pictures, of which one is only as large as an LR patch."""
    for name, side in (("large", 90), ("small", 16)):
        pixels = np.random.default_rng(side).integers(256, size=(side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return Content(0.3, 0.4, tmp_path)


def patches(content: Content | None = None, sampling: Sampling = SAMPLING) -> Patches:
    photographs = {"a": noise(0, 64, 80), "b": noise(1, 100, 67), "c": noise(2, 64, 64) // 64 * 80}
    return Patches(photographs, sampling, seed=3, content=content)


def on_both(stream: Patches, numbers: list[int], together: int | None = TOGETHER) -> tuple[Sample, Sample]:
    by_workers = Sample(*default_collate([stream[number] for number in numbers]))
    samples = DeviceSamples(stream, CPU)
    samples.together = together
    return by_workers, samples.make(CutsOfPatches(stream).__getitems__(numbers))


def check(by_workers: Sample, on_device: Sample) -> None:
    assert torch.equal(by_workers.coords, on_device.coords)
    assert torch.equal(by_workers.cell, on_device.cell)
    difference = (by_workers.lr - on_device.lr).abs()
    assert difference.max() < 1.01 * LEVEL
    assert (difference > LEVEL / 2).float().mean() < 1e-3
    torch.testing.assert_close(on_device.rgb, by_workers.rgb, atol=1e-4, rtol=0)


@pytest.mark.parametrize("together", [None, 1, TOGETHER], ids=["as on a GPU", "one by one", "as on a CPU"])
def test_photographs_give_the_same_samples(together: int | None) -> None:
    by_workers, on_device = on_both(patches(), list(range(60)), together)
    check(by_workers, on_device)
    assert torch.equal(by_workers.rgb, on_device.rgb)


@pytest.mark.parametrize("together", [None, 1, TOGETHER], ids=["as on a GPU", "one by one", "as on a CPU"])
def test_patterns_and_other_pictures_give_the_same_samples_in_the_same_order(
    mixed: Content, together: int | None
) -> None:
    check(*on_both(patches(mixed), list(range(60)), together))


@pytest.mark.parametrize("content", [Content(patterns=1.0), Content(patterns=0.5)])
def test_a_batch_may_be_of_one_kind(content: Content) -> None:
    for numbers in ([0], [1], [2, 3]):
        for together in (None, TOGETHER):
            check(*on_both(patches(content), numbers, together))


@pytest.mark.parametrize("scales", [(1.0, 1.0), (1.0, 1.1), (3.97, 4.0)])
def test_all_scales_are_those_of_workers(scales: tuple[float, float]) -> None:
    sampling = Sampling(16, 100, *scales)
    check(*on_both(patches(sampling=sampling), list(range(20))))
    check(*on_both(patches(Content(patterns=1.0), sampling), list(range(20))))


def test_cuts_come_through_a_loader_with_workers(mixed: Content) -> None:
    stream = patches(mixed)
    for workers in (0, 2):
        loader = DataLoader(
            CutsOfPatches(stream), batch_sampler=Batches(5, 2), num_workers=workers, collate_fn=lambda batch: batch
        )
        made = DeviceSamples(stream, CPU).make(next(iter(loader)))
        check(Sample(*default_collate([stream[number] for number in range(10, 15)])), made)


@given(n=st.integers(1, 90), m=st.integers(1, 40), seed=st.integers(0, 99))
def test_the_weights_are_pillow_s(n: int, m: int, seed: int) -> None:
    image = noise(seed, n, n)
    weights = pillow_weights(torch.tensor([n, 5]), torch.tensor([m, 3]), 95, 50)
    assert weights.shape == (2, 50, 95)
    assert not weights[0, m:].any()
    assert not weights[0, :, n:].any()
    w = weights[0, :m, :n]
    columns = (image.double() @ w.T + 0.5).floor().clamp(0, 255)
    resized = (w @ columns + 0.5).floor().clamp(0, 255)
    assert (resized - resize_pillow(image, m, m)).abs().max() <= 1
