"""The savings of CMSR: shares, counts, error, ratios."""

import pytest
import torch

import lmf_sr
from lmf_sr.cmsr.savings import SavingsMeter, overall
from lmf_sr.cmsr.table import BoundTable, Scale2Mod
from lmf_sr.data import PairedImages
from lmf_sr.evaluation.metrics import BENCHMARK_RGB
from lmf_sr.evaluation.quality import evaluate
from lmf_sr.model import ContinuousImage, Model
from lmf_sr.profiling import count_decoder_macs

TINY = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return lmf_sr.build(TINY, "lm-liif").eval()


@pytest.fixture(scope="module")
def image(model: Model) -> ContinuousImage:
    return model.encode(torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(1)))


def half_at_x2(image: ContinuousImage) -> BoundTable:
    ranked = image.intensity(48, 64).flatten().sort().values
    return Scale2Mod.from_limits({8: {2: float(ranked[23] + ranked[24]) / 2}}).bound_to(image.model)


def test_half_of_a_picture_at_x2(model: Model, image: ContinuousImage) -> None:
    table = half_at_x2(image)
    found = SavingsMeter(model, table, repeats=0).measure(image, 48, 64)
    assert (found["share_x2"], found["share_full"]) == (0.5, 0.5)
    rendered = (1, 24 * 2 * 2 + 24 * 8 * 8)  # pixels
    assert found["cmsr_macs"] == count_decoder_macs(model, (6, 8), rendered, plain=False)
    assert found["cmsr_macs_plain"] == count_decoder_macs(model, (6, 8), rendered, plain=True)
    assert found["full_macs"] == count_decoder_macs(model, (6, 8), (48, 64), plain=False)
    difference = image.render(48, 64, clamp=False, cmsr=table) - image.render(48, 64, clamp=False)
    assert found["cmsr_mse"] == pytest.approx(4 * float(difference.square().mean()), rel=1e-5)
    assert "cmsr_ms" not in found


def test_within_the_training_scales_nothing_is_saved_or_lost(model: Model, image: ContinuousImage) -> None:
    found = overall([SavingsMeter(model, half_at_x2(image), repeats=1).measure(image, 24, 32)])
    assert found["share_full"] == 1
    assert found["cmsr_mse"] == found["macs_saved"] == found["macs_saved_plain"] == 0
    assert found["time_saved"] == pytest.approx(1 - found["cmsr_ms"] / found["full_ms"])


def test_overall_is_what_a_set_saves_altogether() -> None:
    """A large picture weighs more than a small one; a level that only one of them has counts as nothing in the other."""
    small = {"full_macs": 10, "cmsr_macs": 5, "share_x1": 0.5}
    large = {"full_macs": 90, "cmsr_macs": 75, "share_x2": 0.25}
    assert overall([small, large]) == pytest.approx(
        {"full_macs": 50, "cmsr_macs": 40, "share_x1": 0.25, "share_x2": 0.125, "macs_saved": 0.2}
    )
    assert overall([]) == {}


def test_an_evaluation_with_cmsr_says_what_it_saved(model: Model) -> None:
    picture = torch.randint(256, (3, 48, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    images = PairedImages("set", {"one": picture})
    meter = SavingsMeter(model, Scale2Mod.from_limits({8: {4: 1}}).bound_to(model), repeats=0)
    in_full = evaluate(model, images, 8.0, BENCHMARK_RGB)
    found = evaluate(model, images, 8.0, BENCHMARK_RGB, saving=meter)
    assert found.metrics["macs_saved"] > 0
    assert found.metrics["psnr"] != in_full.metrics["psnr"]
    assert found.images["one"]["share_x4"] == 1
    assert "macs_saved" not in in_full.metrics
