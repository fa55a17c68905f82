"""Measures: their formulae, that windows have the intensities of the whole picture, files, and the fit of `learnt`."""

import math
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

import lmf_sr
from lmf_sr.cmsr.calibration import Calibration, coarse_errors
from lmf_sr.cmsr.fitting import fit
from lmf_sr.cmsr.measures import NAMES, PAPER, Measure
from lmf_sr.cmsr.savings import SavingsMeter
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.data import PairedImages
from lmf_sr.errors import InputError
from lmf_sr.geometry import Grid
from lmf_sr.lmf.conversion import LMFState
from lmf_sr.model import ContinuousImage, Model
from lmf_sr.profiling import decoder_macs
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.tiling import Window

TINY = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 16}
WHOLE = Window.whole((2, 3))
LEARNT = Measure("learnt", bias=0.5, weights=tuple(0.1 * k for k in range(12)))


@pytest.fixture(scope="module")
def model() -> Model:
    """Random, but with modulations as strong as those of a trained model, and with features that a compiler knows."""
    torch.manual_seed(0)
    model = lmf_sr.build(TINY, "lm-liif").eval()
    with torch.no_grad():
        model.decoder.latent_mlp.linears[-1].weight[:192] *= 10
    return model


@pytest.fixture(scope="module")
def image(model: Model) -> ContinuousImage:
    return model.encode(torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(1)))


@pytest.fixture(scope="module")
def images() -> PairedImages:
    random = torch.Generator().manual_seed(1)
    return PairedImages(
        "set", {name: torch.randint(256, (3, 96, 80), dtype=torch.uint8, generator=random) for name in "abc"}
    )


def state_of(strengths: Float[Tensor, "h w M L"]) -> LMFState:
    h, w = strengths.shape[:2]
    return LMFState(torch.zeros(1, h, w, 0), strengths[None], torch.zeros(1, 2))


def test_formulae() -> None:
    strengths = torch.arange(1.0, 25.0).view(2, 3, 2, 2)  # a_0, a_1, b_0, b_1 = 1, 2, 3, 4 at first
    state, lr = state_of(strengths), torch.zeros(1, 3, 2, 3)
    assert PAPER.intensity(state, lr, WHOLE)[0, 0, 0] == 3.5
    assert Measure("first-layer").intensity(state, lr, WHOLE)[0, 0, 0] == 3
    learnt = Measure("learnt", bias=math.log(2), weights=(0.0, 1.0, 0.0, 2.0))
    torch.testing.assert_close(learnt.intensity(state, lr, WHOLE)[0, 0, 0], torch.tensor(2 * 2 * 4.0**2))
    assert learnt.intensity(state_of(0 * strengths), lr, WHOLE).isfinite().all()


def test_contrast_is_the_standard_deviation_of_25_pixels() -> None:
    lr = torch.rand(1, 3, 7, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = Measure("contrast").intensity(state_of(torch.zeros(7, 9, 2, 1)), lr, Window.whole((7, 9)))
    expected = lr[0, :, 1:6, 3:8].flatten(1).var(1, correction=0).mean().sqrt()
    torch.testing.assert_close(found[0, 3, 5], expected)


@torch.inference_mode()
def test_scales_stand_for_shifts_where_there_are_none() -> None:
    torch.manual_seed(0)
    decoder = lmf_sr.build(TINY, {"name": "lm-liif", "modulation": "scale"}).eval().decoder
    state = decoder.prepare(torch.rand(1, 16, 2, 3), torch.full((1, 1, 2), 0.1))
    alpha = (state.modulations[..., :96] - 1).abs()
    torch.testing.assert_close(PAPER.intensity(state, torch.zeros(1, 3, 2, 3), WHOLE), alpha.mean(-1))
    first = Measure("first-layer").intensity(state, torch.zeros(1, 3, 2, 3), WHOLE)
    torch.testing.assert_close(first, alpha[..., :16].mean(-1))


@pytest.mark.parametrize("measure", [PAPER, Measure("first-layer"), Measure("contrast"), LEARNT], ids=lambda m: m.name)
@torch.inference_mode()
def test_a_window_has_the_intensities_of_the_whole(image: ContinuousImage, measure: Measure) -> None:
    state = image.encoded.state(image.encoded.cell(Grid.over(72, 88)))
    window = Window(3, 8, 0, 6)
    part = LMFState(*(x[:, 3:8, :6] for x in state[:2]), state.cell)
    lr = image.encoded.lr
    whole = measure.intensity(state, lr, Window.whole(image.size))
    torch.testing.assert_close(measure.intensity(part, lr, window), whole[:, 3:8, :6])


@pytest.mark.parametrize("measure", [PAPER, Measure("first-layer"), Measure("contrast"), LEARNT], ids=lambda m: m.name)
@pytest.mark.parametrize("renderer", ["direct", "blocked"])
@torch.inference_mode()
def test_rendering_goes_by_the_measure(image: ContinuousImage, measure: Measure, renderer: str) -> None:
    """Half of the latents are rendered in full, and there the pixels are those of the full rendering."""
    grid = Grid.over(72, 88)
    state = image.encoded.state(image.encoded.cell(grid))
    intensity = measure.intensity(state, image.encoded.lr, Window.whole(image.size))
    limit = float(intensity.flatten().sort().values[49:51].mean())
    table = Scale2Mod(
        {8.0: Scale2Mod.from_limits({8: {1: limit, 8: 1e9}}).targets[8.0]}, chained=False, measure=measure
    )
    bound = table.bound_to(image.model)
    torch.testing.assert_close(bound.intensity(image.encoded, grid), intensity)
    full, found = (image.render(72, 88, clamp=False, cmsr=cmsr, renderer=renderer) for cmsr in (None, bound))
    is_full = (found == full).all(1)[0].unflatten(0, (9, 8)).unflatten(2, (11, 8)).transpose(1, 2).flatten(2).all(-1)
    assert (is_full == (intensity[0] >= limit)).all()


@pytest.mark.parametrize("name", ["paper", "contrast"])
def test_errors_by_a_table_are_those_of_rendering_by_it(image: ContinuousImage, name: str) -> None:
    errors = coarse_errors(image.model, image.encoded.lr[0] / 2 + 0.5, 8.0, [1.0, 2.0, 4.0])
    ranked = errors.intensity(Measure(name)).flatten().sort().values
    low, high = (float(ranked[at : at + 2].mean()) for at in (30, 60))
    levels = Scale2Mod.from_limits({8: {1: low, 4: high, 8: 1e9}}).targets
    table = Scale2Mod(levels, chained=False, measure=Measure(name))
    full, found = (image.render(72, 88, clamp=False, cmsr=cmsr) for cmsr in (None, table.bound_to(image.model)))
    squared, pixels = errors.by_table(table)
    assert squared == pytest.approx(float((2 * (found - full)).double().square().sum()), rel=1e-4)
    metrics = SavingsMeter(image.model, table.bound_to(image.model), repeats=0).measure(image, 72, 88)
    macs = decoder_macs(image.model, image.size, plain=False)
    assert metrics["cmsr_macs"] == macs.for_pixels(pixels)


def test_fit_predicts_the_errors(model: Model, images: PairedImages) -> None:
    """The fit finds an error whose logarithm is linear in those of the strengths, and orders latents as errors do."""
    learnt = fit(model, images, {8.0: [1.0, 2.0]})
    assert learnt == fit(model, images, {8.0: [1.0, 2.0]})
    found = coarse_errors(model, images.pair("b", 8.0).lr_picture, 8.0, [1.0, 2.0])
    errors = (found.squared / found.values).log().mean(0).flatten() / 4

    def missed(measure: Measure) -> float:
        """The part of the errors' variance that the intensity does not explain."""
        x = found.intensity(measure).log().flatten()
        return float(1 - torch.corrcoef(torch.stack([x, errors]))[0, 1] ** 2)

    assert missed(learnt) < missed(PAPER)
    assert float((found.intensity(learnt).log().flatten() - errors).mean().abs()) < 0.5 * float(errors.std()) + 0.05


def test_fit_to_nothing_is_refused(model: Model) -> None:
    with pytest.raises(InputError, match="no picture to fit"):
        fit(model, PairedImages("set", {}), {8.0: [1.0]})


@pytest.mark.parametrize("measure", [PAPER, Measure("contrast"), LEARNT], ids=lambda m: m.name)
def test_files_keep_the_measure(tmp_path: Path, model: Model, images: PairedImages, measure: Measure) -> None:
    calibration = Calibration.empty(model, "tiny", [8.0], [2.0], measure)
    calibration.take(model, images, "a")
    calibration.save(tmp_path / "calibration.json")
    loaded = Calibration.load(tmp_path / "calibration.json")
    assert loaded.measure == measure
    table = loaded.table(1e-3)
    assert table.measure == measure
    for name in ("table.yaml", "table.json"):
        table.save(tmp_path / name)
        assert Scale2Mod.load(tmp_path / name) == table


def test_what_is_no_measure_is_refused(tmp_path: Path, image: ContinuousImage) -> None:
    with pytest.raises(InputError, match=f"no measure 'size'; choose one of {', '.join(NAMES)}"):
        Measure("size")
    path = tmp_path / "table.yaml"
    path.write_text("measure: {name: size}\ntargets: {6: {1: 1}}")
    with pytest.raises(InputError, match=r"table\.yaml: there is no measure 'size'"):
        Scale2Mod.load(path)
    path.write_text("measure: 3\ntargets: {6: {1: 1}}")
    with pytest.raises(InputError, match="holds no Scale2Mod table"):
        Scale2Mod.load(path)
    short = Scale2Mod.from_limits({8: {1: 0.1, 8: 1}}, measure=Measure("learnt", 0.0, (1.0, 2.0)))
    with pytest.raises(InputError, match="has 2 weights, but the model has 12 strengths"):
        image.render(72, 88, cmsr=short.bound_to(image.model))


@torch.inference_mode()
def test_the_compiled_strengths_are_the_decoder_s(image: ContinuousImage) -> None:
    """The measure of states that the fast renderer makes."""
    renderer = image.renderer("blocked")
    cell = image.encoded.cell(Grid.over(72, 88))
    found = renderer.prepare(image.encoded.features, cell, image.size, Scratch(image.encoded.lr))
    expected = image.model.decoder.prepare(image.encoded.features, cell)
    torch.testing.assert_close(found.strengths, expected.strengths, atol=1e-5, rtol=1e-4)
