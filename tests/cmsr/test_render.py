"""CMSR against the authors' outputs, and what must hold of it whatever the table."""

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

import lmf_sr
from lmf_sr.cmsr import render as cmsr_render
from lmf_sr.cmsr import table as cmsr_table
from lmf_sr.cmsr.plan import level_map
from lmf_sr.cmsr.table import BoundTable, Scale2Mod
from lmf_sr.errors import InputError
from lmf_sr.geometry import FourCorners, Grid, four_corners
from lmf_sr.model import ContinuousImage
from lmf_sr.rendering.budget import PIXEL, QUERY, STATE, Budget
from lmf_sr.rendering.pixel_axes import PixelMask, nearest_latents
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.upsampling import upsample
from lmf_sr.rendering.value_range import NORMALISED, ValueRange

GOLDEN = Path(__file__).parents[1] / "golden"
INDEX = json.loads((GOLDEN / "index.json").read_text())
CONVERSIONS = ["lm-liif", "lm-lte", "lm-ciaosr"]
TINY = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 16}


def golden_error(method: str, case: str, margin: float, renderer: str = "auto") -> float:
    """The largest difference from the authors' pixels further than `margin` LR pixels from the border."""
    model, data = lmf_sr.load(GOLDEN / f"{method}.pth"), load_file(GOLDEN / f"{method}.safetensors")
    about, lr = INDEX[method]["cases"][case], data[f"{case}.lr"]
    height, width = about["height"], about["width"]
    table = Scale2Mod.from_limits({height / lr.shape[2]: about["table"]}).bound_to(model)
    rendered = model.encode(lr * 0.5 + 0.5).render(height, width, clamp=False, cmsr=table, renderer=renderer) * 2 - 1
    grid = Grid.over(height, width)
    inner = torch.outer(
        grid.rows.abs() < 1 - 2 * margin / lr.shape[2],
        grid.cols.abs() < 1 - 2 * margin / lr.shape[3],
    )
    expected = data[f"{case}.rgb"].transpose(1, 2).view_as(rendered)
    return float((rendered - expected)[..., inner].abs().max())


@pytest.mark.parametrize("case", ["cmsr_x6", "cmsr_x8"])
@pytest.mark.parametrize("method", ["lmliif", "lmlte", "lmciaosr"])
def test_pixels(method: str, case: str) -> None:
    """The pixels are compared two LR pixels away from the border, because the x1 level's last row and column, where the
    authors' weights are 0/0, are interpolated that far into the picture."""
    assert golden_error(method, case, margin=2) < 2e-5


@pytest.mark.parametrize("method", ["lmliif", "lmlte", "lmciaosr"])
def test_pixels_with_the_authors_weights_at_the_border(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the authors' 0/0, which comes out as 1/4, no more than one LR pixel at the border differs."""

    def as_the_authors(coords: torch.Tensor, lr_size: tuple[int, ...]) -> FourCorners:
        corners = four_corners(coords, lr_size)
        area = corners.rel.where(corners.rel.abs() > 1e-9, 0).prod(-1).abs().flip(-1) + 1e-9
        return corners._replace(weight=area / area.sum(-1, keepdim=True))

    monkeypatch.setattr("lmf_sr.lmf.conversion.four_corners", as_the_authors)
    assert golden_error(method, "cmsr_x8", margin=1, renderer="direct") < 2e-5


@pytest.fixture(scope="module", params=CONVERSIONS)
def image(request: pytest.FixtureRequest) -> ContinuousImage:
    return continuous_image(request.param)


def bound(image: ContinuousImage, limits: dict[float, dict[float, float]], chained: bool = True) -> BoundTable:
    return Scale2Mod.from_limits(limits, chained=chained).bound_to(image.model)


def with_budget(image: ContinuousImage, **sizes: int) -> ContinuousImage:
    return ContinuousImage(image.model, image.encoded, Budget(**sizes))


def continuous_image(decoder: str, size: tuple[int, int] = (7, 11)) -> ContinuousImage:
    torch.manual_seed(0)
    picture = torch.rand(2, 3, *size)
    return lmf_sr.build(TINY, decoder).eval().encode(picture)


@pytest.fixture(params=[True, False], ids=["chained", "by themselves"])
def chained(request: pytest.FixtureRequest) -> bool:
    return request.param


def spread(image: ContinuousImage, scale: float, *decode_scales: float, chained: bool) -> BoundTable:
    """A table that gives about as many latents to each of the scales and the target, and has no limit close to one."""
    ranked = image.intensity(4 * image.size[0], 4 * image.size[1]).flatten().sort().values
    first = torch.linspace(0, len(ranked), len(decode_scales) + 2).long()[1:-1]
    limits = ((ranked[first - 1] + ranked[first]) / 2).tolist()
    return bound(image, {scale: dict(zip(decode_scales, limits, strict=True))}, chained)


def test_a_table_without_coarse_levels_renders_in_full(image: ContinuousImage) -> None:
    assert torch.equal(image.render(42, 66, cmsr=bound(image, {6: {6: 1}})), image.render(42, 66))


def test_within_the_training_scales_all_is_rendered_in_full(image: ContinuousImage) -> None:
    assert torch.equal(image.render(28, 44, cmsr=bound(image, {6: {1: 1}})), image.render(28, 44))


def test_one_coarse_level_for_all_is_that_rendering_upsampled() -> None:
    """LM-CiaoSR's render MLP does not see the cell, and its latent MLP sees the same beyond scale 4."""
    image = continuous_image("lm-ciaosr")
    coarse = image.render(35, 55, clamp=False)
    found = image.render(56, 88, clamp=False, cmsr=bound(image, {8: {5: 1}}))
    expected = torch.nn.functional.interpolate(coarse, (56, 88), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_busiest_latents_are_rendered_at_the_target_scale(image: ContinuousImage, chained: bool) -> None:
    """Their pixels are those of the full rendering, bit for bit or nearly; the others' are not."""
    table = spread(image, 6.0, 1.0, 2.0, 4.0, chained=chained)
    finest = level_map(image.intensity(42, 66), table.table.levels(6.0)) == 3
    finest = finest.repeat_interleave(6, 1).repeat_interleave(6, 2)[:, None].expand(-1, 3, -1, -1)
    found, full = image.render(42, 66, clamp=False, cmsr=table), image.render(42, 66, clamp=False)
    torch.testing.assert_close(found[finest], full[finest], atol=1e-5, rtol=0)
    assert not torch.allclose(found[~finest], full[~finest], atol=1e-4)


@pytest.mark.parametrize("renderer", ["auto", "direct"])
@pytest.mark.parametrize("size", [(42, 66), (51, 80), (49, 99)])
def test_levels_by_themselves(image: ContinuousImage, size: tuple[int, int], renderer: str) -> None:
    """Each pixel is that of the whole picture rendered at the level of its latent and upsampled: no more, no less."""
    table = spread(image, 9.0, 1.0, 1.5, 4.0, chained=False)
    grid = Grid.over(*size)
    levels = table.table.levels(math.sqrt(size[0] * size[1] / 77))
    rows, cols = nearest_latents(grid, image.size)
    of_pixels = level_map(image.intensity(*size), levels)[:, rows][:, :, cols]
    expected = torch.empty(2, 3, *size)
    for number, level in enumerate(levels):
        alone = image.render(*size, clamp=False, cmsr=bound(image, {9.0: {level.scale: 1}}))
        expected = torch.where(of_pixels[:, None] == number, alone, expected)
    found = image.render(*size, clamp=False, cmsr=table, renderer=renderer)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(42, 66), (51, 80), (49, 99)])
def test_pictures_of_a_batch_do_not_touch(image: ContinuousImage, size: tuple[int, int], chained: bool) -> None:
    """They do not touch at scales that are no integers, or that differ between the axes, either."""
    table = spread(image, 9.0, 1.5, 4.0, chained=chained)
    encoded = image.encoded
    second = ContinuousImage(image.model, encoded._replace(lr=encoded.lr[1:], features=encoded.features[1:]))
    torch.testing.assert_close(image.render(*size, cmsr=table)[1:], second.render(*size, cmsr=table), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(56, 88), (61, 80)])
def test_bands_do_not_show(image: ContinuousImage, size: tuple[int, int], chained: bool) -> None:
    """Neither the strips whose states are made at once show, nor the bands of pixels."""
    table = spread(image, 9.0, 1.0, 2.5, 4.0, chained=chained)
    whole = image.render(*size, cmsr=table)
    states = 2 * 2 * 11 * STATE
    in_bands = with_budget(image, states=states, reused=states, band=2 * 5 * size[1] * PIXEL)
    torch.testing.assert_close(in_bands.render(*size, cmsr=table), whole, atol=2e-5, rtol=0)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_a_region_is_a_window_of_the_whole(data: st.DataObject) -> None:
    image = continuous_image("lm-liif", (5, 6))
    table = spread(image, 9.0, 1.0, 2.5, 4.0, chained=data.draw(st.booleans()))
    height, width = data.draw(st.integers(24, 46)), data.draw(st.integers(26, 55))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    region = (top / height, left / width, (bottom - top) / height, (right - left) / width)
    window = image.render(bottom - top, right - left, region=region, cmsr=table)
    whole = image.render(height, width, cmsr=table)
    torch.testing.assert_close(window, whole[..., top:bottom, left:right], atol=2e-5, rtol=0)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([1.0, 1.3, 2.0]))
def test_what_is_not_interpolated_is_not_missed(seed: int, scale: float) -> None:
    """All of a picture's pixels come out the same whatever stands where no interpolation is said to be needed."""
    image = continuous_image("lm-liif")
    torch.manual_seed(seed)
    table = spread(image, 9.0, scale, 2.5, 4.0, chained=True)

    def spoiling(
        picture: torch.Tensor,
        source: Grid,
        target: Grid,
        out: torch.Tensor,
        needed: PixelMask | None = None,
        values: ValueRange = NORMALISED,
    ) -> None:
        upsample(picture, source, target, out, values=values)
        if needed is not None:
            out.masked_fill_(~needed.pixels()[:, None], torch.nan)

    other = image.model.encode(image.encoded.lr[..., torch.randperm(11)] * 0.5 + 0.5)
    whole = other.render(56, 88, cmsr=table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cmsr_render, "upsample", spoiling)
        torch.testing.assert_close(other.render(56, 88, cmsr=table), whole, atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 1000), scale=st.floats(1.0, 2.4), sides=st.tuples(st.integers(1, 9), st.integers(1, 12)))
def test_what_is_not_rendered_is_not_read(seed: int, scale: float, sides: tuple[int, int]) -> None:
    """Levels that stand by themselves do not read what stands in their picture beside the rendered pixels."""

    class Spoiling(Scratch):
        def tensor(self, *shape: int) -> torch.Tensor:
            return super().tensor(*shape).fill_(torch.nan)

    torch.manual_seed(seed)
    image = continuous_image("lm-liif", sides)
    table = spread(image, 9.0, scale, 2.5, 4.0, chained=False)
    size = tuple(round(side * 6.3) for side in sides)
    whole = image.render(*size, clamp=False, cmsr=table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cmsr_table, "Scratch", Spoiling)
        found = with_budget(image, band=2 * 4 * size[1] * PIXEL).render(*size, clamp=False, cmsr=table)
    torch.testing.assert_close(found, whole, atol=2e-5, rtol=0)


def test_a_window_over_the_border_is_rendered_in_full(image: ContinuousImage) -> None:
    table, region = spread(image, 6.0, 1.0, 4.0, chained=True), (-0.1, 0.2, 0.5, 0.5)
    torch.testing.assert_close(image.render(30, 30, region, cmsr=table), image.render(30, 30, region))


def test_chunks_do_not_show(image: ContinuousImage, chained: bool) -> None:
    table = spread(image, 6.0, 1.0, 4.0, chained=chained)
    whole = image.render(42, 66, cmsr=table, renderer="direct")
    in_chunks = with_budget(image, queries_on_cpu=50 * QUERY).render(42, 66, cmsr=table, renderer="direct")
    torch.testing.assert_close(in_chunks, whole, atol=1e-6, rtol=0)


def test_a_decoder_without_modulations_is_refused() -> None:
    with pytest.raises(InputError, match="decoder 'liif' has no modulations"):
        bound(continuous_image("liif"), {6: {1: 1}})


def test_a_table_of_other_weights_is_refused(image: ContinuousImage) -> None:
    with pytest.raises(InputError, match="was made for weights 0123"):
        Scale2Mod.from_limits({6: {1: 1}}, fingerprint="0123").bound_to(image.model)


def test_a_table_renders_the_pictures_of_its_model_only(image: ContinuousImage) -> None:
    other = continuous_image("lm-liif")
    with pytest.raises(InputError, match=r"bound to another model: bind it to this one, table\.bound_to\(model\)"):
        image.render(42, 66, cmsr=bound(other, {6: {1: 1}}))
