"""The blocked renderer gives the direct path's pixels in each of its forms, on any grid, for any picture and conversion."""

from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor

import lmf_sr
from lmf_sr.geometry import Grid, Region
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.model import Model
from lmf_sr.rendering.blocked import Blocked, bands
from lmf_sr.rendering.budget import DEFAULT, PIXEL, Budget
from lmf_sr.rendering.direct import Direct
from lmf_sr.rendering.pixel_axes import Axis
from lmf_sr.rendering.renderer import Encoded, Prepared, Renderer
from lmf_sr.rendering.tiling import Window
from lmf_sr.rendering.value_range import NORMALISED

GOLDEN = Path(__file__).parents[1] / "golden"
CONVERSIONS = ("lmliif", "lmlte", "lmciaosr")
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)
TOLERANCE = 2e-5
FORMS = ("compiled", "PyTorch", "from features")
needs_compiler = pytest.mark.skipif(bool(why_not_compiled()), reason=f"FOR LACK OF A COMPILER: {why_not_compiled()}")

Rendered = tuple[Tensor, Tensor]
"""The pixels that a form renders, and those expected of it."""


@cache
def golden(method: str) -> Model:
    return lmf_sr.load(GOLDEN / f"{method}.pth")


@torch.inference_mode()
def rendered(
    form: str,
    model: Model,
    size: tuple[int, int],
    hr_size: tuple[int, int],
    region: Region = WHOLE,
    batch: int = 1,
    budget: Budget = DEFAULT,
) -> Rendered:
    """A form's pixels of random pictures, and the direct path's in float64; in float32 it is no more exact itself."""
    if form != "PyTorch" and why_not_compiled():
        pytest.skip(f"SKIPPED FOR LACK OF A COMPILER: {why_not_compiled()}")
    decoder = model.decoder
    assert isinstance(decoder, Conversion)
    lr = torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features, grid = model.features(lr), Grid.over(*hr_size, region)
    encoded = Encoded(decoder, lr, features, Window.whole(size))
    exact = Encoded(deepcopy(decoder).double(), lr.double(), features.double(), encoded.window)
    renderer = Blocked(decoder, features, budget, use_compiled=form != "PyTorch")
    if form == "from features":
        assert renderer.from_features
    else:
        renderer.from_features = False
        assert renderer.is_compiled == (form == "compiled")
    return whole(renderer, encoded, grid), whole(Direct(exact.decoder, exact.features), exact, grid).float()


def whole(renderer: Renderer, encoded: Encoded, grid: Grid) -> Tensor:
    """All bands, which must be the grid's rows in order."""
    found = list(renderer.bands(encoded, grid, NORMALISED))
    assert [row for rows, _ in found for row in range(rows.start, rows.stop)] == list(range(grid.size[0]))
    return torch.cat([rgb for _, rgb in found], dim=2)


def fresh(decoder: str, channels: int = 64, **options: int) -> Model:
    torch.manual_seed(0)
    encoder = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": channels}
    return lmf_sr.build(encoder, {"name": decoder, **options}).eval()


def forms(decoder: str) -> list[str]:
    return [form for form in FORMS if form != "from features" or decoder != "lmciaosr"]


EVERY = [(method, form) for method in CONVERSIONS for form in forms(method)]


@pytest.mark.parametrize(
    ("size", "hr_size", "region", "batch"),
    [
        pytest.param((11, 13), (11, 13), WHOLE, 1, id="x1"),
        pytest.param((101, 5), (102, 5), WHOLE, 1, id="x1.01"),
        pytest.param((9, 10), (18, 20), WHOLE, 2, id="x2, a batch"),
        pytest.param((8, 9), (24, 27), WHOLE, 1, id="x3, centres on latents"),
        pytest.param((7, 9), (19, 24), WHOLE, 1, id="x2.7"),
        pytest.param((5, 8), (37, 18), WHOLE, 1, id="x7.3 by x2.2"),
        pytest.param((3, 4), (90, 120), WHOLE, 1, id="x30"),
        pytest.param((13, 17), (53, 71), WHOLE, 1, id="primes"),
        pytest.param((1, 9), (5, 40), WHOLE, 1, id="one row"),
        pytest.param((9, 1), (40, 5), WHOLE, 1, id="one column"),
        pytest.param((1, 1), (7, 7), WHOLE, 1, id="one pixel"),
        pytest.param((9, 8), (5, 3), WHOLE, 1, id="smaller than the picture"),
        pytest.param((8, 8), (50, 40), (-0.2, -0.1, 1.3, 0.7), 2, id="over two borders"),
        pytest.param((8, 8), (30, 30), (0.9, 0.5, 0.5, 0.9), 1, id="over the others"),
        pytest.param((6, 6), (9, 9), (1.5, -2.0, 0.5, 0.5), 1, id="beyond the border"),
        pytest.param((40, 30), (60, 50), (0.31, 0.42, 0.05, 0.03), 1, id="zoomed in"),
        pytest.param((3, 131), (4, 200), WHOLE, 1, id="wider than a stretch of the kernels"),
    ],
)
@pytest.mark.parametrize(("method", "form"), EVERY)
def test_pixels(
    method: str, form: str, size: tuple[int, int], hr_size: tuple[int, int], region: Region, batch: int
) -> None:
    found, expected = rendered(form, golden(method), size, hr_size, region, batch)
    assert (found - expected).abs().max() < TOLERANCE


lengths, hr_lengths = st.integers(1, 12), st.integers(1, 70)
starts, extents = st.floats(-0.5, 1.2), st.floats(0.01, 1.5)
regions = st.one_of(st.just(WHOLE), st.tuples(starts, starts, extents, extents))


@pytest.mark.parametrize(("method", "form"), EVERY)
@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(lengths, lengths),
    hr_size=st.tuples(hr_lengths, hr_lengths),
    region=regions,
    batch=st.integers(1, 2),
)
@example(size=(2, 12), hr_size=(3, 65), region=WHOLE, batch=1)
def test_any_grid(
    method: str, form: str, size: tuple[int, int], hr_size: tuple[int, int], region: Region, batch: int
) -> None:
    found, expected = rendered(form, golden(method), size, hr_size, region, batch)
    assume(expected.abs().max() < 5)  # output pixels many times LR ones give values that float32 rounds more coarsely
    assert (found - expected).abs().max() < TOLERANCE


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("decoder", ["lm-liif", "lm-lte"])
@pytest.mark.parametrize(
    ("options", "channels"), [({"depth": 1}, 64), ({"depth": 8}, 64), ({"hidden": 48}, 16), ({"depth": 3}, 128)]
)
def test_other_sizes_of_network(form: str, decoder: str, options: dict[str, int], channels: int) -> None:
    found, expected = rendered(form, fresh(decoder, channels, **options), (5, 7), (16, 18))
    assert (found - expected).abs().max() < TOLERANCE


@pytest.mark.parametrize("options", [{"width": 32}, {"width": 12}, {"code_dim": 16}])
@pytest.mark.parametrize("decoder", ["lm-liif", "lm-lte", "lm-ciaosr"])
def test_widths_that_are_not_compiled(decoder: str, options: dict[str, int]) -> None:
    found, expected = rendered("PyTorch", fresh(decoder, **options), (5, 7), (16, 18))
    assert (found - expected).abs().max() < TOLERANCE


@pytest.mark.parametrize("options", [{"hidden": 50}, {"code_dim": 20}])
def test_latent_mlps_that_are_not_compiled(options: dict[str, int]) -> None:
    """These decoders have layers that do not fill the kernel's vectors. Their render MLP may be compiled."""
    assert not Blocked(fresh("lm-liif", **options).decoder, torch.zeros(1, 64, 5, 5)).from_features


@torch.inference_mode()
def test_double_precision_keeps_its_precision() -> None:
    decoder, grid = fresh("lm-lte").decoder.double(), Grid.over(16, 18)
    features, lr = torch.randn(1, 64, 5, 7, dtype=torch.float64), torch.rand(1, 3, 5, 7, dtype=torch.float64)
    encoded = Encoded(decoder, lr, features, Window.whole((5, 7)))
    renderer = Blocked(decoder, features)
    expected = whole(Direct(decoder, features), encoded, grid)
    torch.testing.assert_close(whole(renderer, encoded, grid), expected, atol=1e-13, rtol=0)
    assert not renderer.from_features


@needs_compiler
@torch.inference_mode()
def test_features_in_any_layout() -> None:
    """Encoders leave them channels-last; windows of them are views."""
    features = torch.randn(2, 64, 9, 12)
    decoder, lr = golden("lmliif").decoder, torch.zeros(2, 3, 9, 12)

    def render(features: Tensor) -> Tensor:
        renderer = Blocked(decoder, features)
        assert renderer.from_features
        return whole(renderer, Encoded(decoder, lr, features, Window.whole((9, 12))), Grid.over(20, 25))

    expected = render(features)
    assert torch.equal(render(features.contiguous(memory_format=torch.channels_last)), expected)
    larger = torch.randn(2, 64, 11, 15)
    larger[:, :, 1:10, 2:14] = features
    assert torch.equal(render(larger[:, :, 1:10, 2:14]), expected)


@needs_compiler
@pytest.mark.parametrize(("latents", "pixels"), [(40, 2**19), (10_000, 100), (100, 1000)])
def test_several_bands(latents: int, pixels: int) -> None:
    budget = Budget(band_latents=latents * 832, band_pixels=pixels * PIXEL)
    found, expected = rendered("from features", golden("lmliif"), (13, 9), (33, 25), batch=2, budget=budget)
    assert (found - expected).abs().max() < TOLERANCE


@needs_compiler
@torch.inference_mode()
def test_from_features_of_a_window_only() -> None:
    """The pixels of a window need its features and those of one position around it, no others."""
    decoder, size = golden("lmliif").decoder, (20, 24)
    features, lr = torch.randn(1, 64, *size), torch.rand(1, 3, *size)
    grid, window = Grid.over(60, 72), Window(4, 17, 0, 24)
    expected = whole(Blocked(decoder, features), Encoded(decoder, lr, features, Window.whole(size)), grid)[:, :, 18:45]
    part = Encoded(decoder, lr, window.crop(features), window)
    rows = Blocked(decoder, features).bands(part, grid.band(18, 45), NORMALISED)
    found = torch.cat([rgb for _, rgb in rows], dim=2)
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


@needs_compiler
@torch.inference_mode()
def test_from_a_state_that_was_prepared() -> None:
    """The latents are not made again, and the pixels are the same."""
    decoder, size, grid = golden("lmliif").decoder, (9, 12), Grid.over(20, 25)
    encoded = Encoded(decoder, torch.rand(1, 3, *size), torch.randn(1, 64, *size), Window.whole(size))
    cell = encoded.cell(grid)
    prepared = encoded._replace(
        features=torch.full((1, 64, *size), torch.nan), prepared=Prepared(cell, encoded.state(cell))
    )
    renderer = Blocked(decoder, encoded.features)
    torch.testing.assert_close(whole(renderer, prepared, grid), whole(renderer, encoded, grid), atol=TOLERANCE, rtol=0)


@given(
    pixels=st.integers(1, 200), latents=st.integers(1, 40), lines=st.sampled_from([2, 4, 16]), most=st.integers(1, 60)
)
def test_bands(pixels: int, latents: int, lines: int, most: int) -> None:
    """The blocks cover all rows in order, need few lines of latents each, and are bounded."""
    axis = Axis(Grid.over(pixels, 1).rows, latents)
    covered = 0
    for band in bands(axis, lines, most):
        top, bottom = axis.part(band).span
        assert band.start == covered
        assert 0 < band.stop - band.start <= most
        assert bottom - top <= lines + 1
        covered = band.stop
    assert covered == pixels


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_a_number_stays_so(form: str) -> None:
    """No form may hide that a network has diverged."""
    model = fresh("lm-liif")
    with torch.no_grad():
        model.decoder.latent_mlp.linears[-1].bias[3] = torch.nan
    found, expected = rendered(form, model, (4, 5), (9, 9))
    assert expected.isnan().all()
    assert found.isnan().all()
