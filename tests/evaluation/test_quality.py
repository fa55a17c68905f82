"""Evaluation renders at the size of the HR image, takes the mean over images, and survives the images that fail."""

import statistics
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lmf_sr.building import build
from lmf_sr.data import Benchmark, PairedImages
from lmf_sr.evaluation.baseline import Bicubic, BicubicImage
from lmf_sr.evaluation.metrics import BENCHMARK, DIV2K, psnr, ssim
from lmf_sr.evaluation.quality import evaluate
from lmf_sr.images import Picture, imresize, write_picture


def noise(height: int, width: int, seed: int) -> Tensor:
    return torch.randint(256, (3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


IMAGES = PairedImages("noise", {"wide": noise(51, 64, 0), "tall": noise(70, 48, 1)})


def test_images_are_rendered_at_the_size_of_their_hr_image() -> None:
    sizes = []

    class Recording(Bicubic):
        def encode(self, image: Tensor) -> BicubicImage:
            encoded = super().encode(image)
            render = encoded.render
            encoded.render = lambda h, w: sizes.append((h, w)) or render(h, w)  # type: ignore[method-assign]
            return encoded

    evaluate(Recording(), IMAGES, 2.5, DIV2K)
    assert sizes == [(50, 62), (70, 48)]  # round(floor(51 / 2.5) * 2.5), ...; halves to even


def test_means_are_those_of_the_images() -> None:
    ticks: list[None] = []
    result = evaluate(Bicubic(), IMAGES, 2.0, DIV2K, lambda: ticks.append(None))
    assert result.set == "noise"
    assert list(result.images) == ["wide", "tall"]
    assert not result.failures
    for metric in ("psnr", "ssim"):
        assert result.metrics[metric] == statistics.fmean(image[metric] for image in result.images.values())
    assert len(ticks) == 2


def test_any_model_is_a_peer_of_the_baseline() -> None:
    model = build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "lm-liif").eval()
    result = evaluate(model, IMAGES, 3.3, BENCHMARK)
    for pair in IMAGES.pairs(3.3):
        rendered = model.encode(pair.lr_picture).render(*pair.hr.shape[1:])[0]
        expected = {measure.__name__: measure(rendered, pair.hr_picture, 3.3, BENCHMARK) for measure in (psnr, ssim)}
        assert result.images[pair.name] == pytest.approx(expected)


def test_an_image_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_picture(tmp_path / f"{name}.png", Picture(torch.rand(3, 48, 48)))
    damaged = tmp_path / "b.png"
    damaged.write_bytes(damaged.read_bytes()[:2000])
    result = evaluate(Bicubic(), PairedImages.from_files("three", sorted(tmp_path.glob("*.png"))), 2.0, DIV2K)
    assert list(result.images) == ["a", "c"]
    assert list(result.failures) == ["b"]
    assert "b.png" in result.failures["b"]


def test_an_image_too_small_for_the_protocol_is_a_failure() -> None:
    images = PairedImages("two", {"small": noise(20, 20, 0), "large": noise(48, 48, 1)})
    result = evaluate(Bicubic(), images, 4.0, DIV2K)
    assert list(result.images) == ["large"]
    assert list(result.failures) == ["small"]


def test_where_every_image_fails_there_is_no_mean() -> None:
    result = evaluate(Bicubic(), PairedImages("one", {"small": noise(20, 20, 0)}), 4.0, DIV2K)
    assert result.metrics == {}


def test_the_baseline_is_matlab_s_rule_clamped() -> None:
    lr = torch.rand(3, 9, 7)
    expected = imresize(lr.double(), 22, 15)
    assert expected.min() < 0
    torch.testing.assert_close(Bicubic().encode(lr).render(22, 15)[0], expected.clamp(0, 1).float())


@pytest.mark.parametrize(("scale", "published"), [(2.0, 33.66), (3.0, 30.39), (4.0, 28.42)])
def test_bicubic_on_set5_scores_as_published(shared: Path, scale: float, published: float) -> None:
    (set5,) = Benchmark(shared / "data" / "benchmark", ["Set5"]).evaluation()
    assert evaluate(Bicubic(), set5, scale, BENCHMARK).metrics["psnr"] == pytest.approx(published, abs=0.03)
