"""Rendering some of the latents only: their pixels are those of the whole, and the others are left alone."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lmf_sr
from lmf_sr.geometry import Grid, clip_cell, nearest
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering import blocked, direct
from lmf_sr.rendering.axes import Chosen
from lmf_sr.rendering.direct import RenderChosen
from lmf_sr.rendering.values import NORMALISED, PIXELS, UNCLAMPED, Values

TINY = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}
LEFT_ALONE = 7.0
CELL = torch.tensor([[0.2, 0.3], [0.1, 0.25]])  # not the state's


@pytest.fixture(params=["direct", "torch blocks", "compiled"])
def render_chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RenderChosen]:
    """Each way to do it."""
    if request.param == "direct":
        return direct.render_chosen
    compiled = blocked.why_not_compiled() is None
    if request.param == "compiled" and not compiled:
        pytest.skip(f"SKIPPED FOR LACK OF A COMPILER: {blocked.why_not_compiled()}")
    if request.param == "torch blocks":
        monkeypatch.setattr(blocked, "is_compiled", lambda decoder, dtype: False)
    return blocked.render_chosen


def scene(decoder: str, size: tuple[int, int], grid: Grid) -> tuple[Conversion, LMFState, torch.Tensor]:
    torch.manual_seed(0)
    model = lmf_sr.build(TINY, decoder).eval()
    lr = torch.rand(2, 3, *size)
    cell = clip_cell(torch.tensor(grid.cell), size).expand(2, 1, 2)
    with torch.inference_mode():
        return model.decoder, model.decoder.prepare(model.encoder(lr), cell), lr


def pixels_of(chosen: Chosen) -> torch.Tensor:
    """Of each image, which pixels."""
    rows, cols = chosen.nearest()
    return chosen.latents[:, rows][:, :, cols]


@pytest.mark.parametrize("decoder", ["lm-liif", "lm-lte", "lm-ciaosr"])
@pytest.mark.parametrize(
    ("size", "values"), [((9, 11), NORMALISED), ((18, 22), PIXELS), ((25, 61), UNCLAMPED), ((72, 88), PIXELS)]
)
def test_chosen_pixels_are_those_of_the_whole(
    decoder: str, size: tuple[int, int], values: Values, render_chosen: Callable[..., RenderChosen]
) -> None:
    grid = Grid.over(*size)
    conversion, state, lr = scene(decoder, (9, 11), grid)
    chosen = Chosen(torch.rand(2, 9, 11, generator=torch.Generator().manual_seed(1)) < 0.4, grid)
    out = torch.full((2, 3, *size), LEFT_ALONE)
    with torch.inference_mode():
        whole = direct.render_direct(conversion, conversion.at_cell(state, CELL), lr, grid)
        render_chosen(conversion, state, lr)(CELL, chosen, out, values)
    pixels = pixels_of(chosen)[:, None].expand_as(out)
    torch.testing.assert_close(out[pixels], values.of(whole[pixels]), atol=2e-6, rtol=0)
    assert (out[~pixels] == LEFT_ALONE).all()


@pytest.mark.parametrize("everything", [True, False])
def test_all_and_none(everything: bool, render_chosen: Callable[..., RenderChosen]) -> None:
    grid = Grid.over(30, 41)
    conversion, state, lr = scene("lm-liif", (5, 7), grid)
    out = torch.full((2, 3, 30, 41), LEFT_ALONE)
    with torch.inference_mode():
        chosen = Chosen(torch.full((2, 5, 7), everything), grid)
        render_chosen(conversion, state, lr)(CELL, chosen, out, NORMALISED)
        whole = direct.render_direct(conversion, conversion.at_cell(state, CELL), lr, grid)
    torch.testing.assert_close(out, whole if everything else torch.full_like(out, LEFT_ALONE), atol=2e-6, rtol=0)


sizes = st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 30), st.integers(1, 30))


@given(sizes=sizes, seed=st.integers(0, 99))
def test_the_pixels_are_counted(sizes: tuple[int, int, int, int], seed: int) -> None:
    h, w, H, W = sizes
    chosen = Chosen(torch.rand(2, h, w, generator=torch.Generator().manual_seed(seed)) < 0.5, Grid.over(H, W))
    assert chosen.pixel_count() == pixels_of(chosen).sum()


@given(sizes=sizes)
def test_the_nearest_latent_is_the_nearest(sizes: tuple[int, int, int, int]) -> None:
    """Of two as near, the later."""
    h, w, H, W = sizes
    grid = Grid.over(H, W)
    chosen = Chosen(torch.ones(1, h, w, dtype=torch.bool), grid)
    rows, cols = chosen.nearest()
    assert torch.equal((rows[:, None] * w + cols).flatten(), nearest(grid.coords() + 1e-6, (h, w)))
