"""Rendering some of the latents only: their pixels are those of the whole, and the others are left alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lmf_sr
from lmf_sr.geometry import Grid, clip_cell, nearest
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering.blocked import Blocked
from lmf_sr.rendering.direct import Direct
from lmf_sr.rendering.pixel_axes import PixelMask
from lmf_sr.rendering.renderer import RenderChosen
from lmf_sr.rendering.value_range import NORMALISED, PIXELS, UNCLAMPED, ValueRange

TINY = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}
LEFT_ALONE = 7.0
CELL = torch.tensor([[0.2, 0.3], [0.1, 0.25]])  # not the state's


@pytest.fixture(params=["direct", "torch blocks", "compiled"])
def render_chosen(request: pytest.FixtureRequest) -> Callable[..., RenderChosen]:
    """`render_chosen` of each renderer."""

    def render_chosen(decoder: Conversion, state: LMFState, lr: torch.Tensor) -> RenderChosen:
        if request.param == "direct":
            return Direct(decoder, lr).render_chosen(state, lr)
        return Blocked(decoder, lr, use_compiled=request.param == "compiled").render_chosen(state, lr)

    if request.param == "compiled" and why_not_compiled() is not None:
        pytest.skip(f"SKIPPED FOR LACK OF A COMPILER: {why_not_compiled()}")
    return render_chosen


def rendered_in_full(decoder: Conversion, state: LMFState, lr: torch.Tensor, grid: Grid) -> torch.Tensor:
    out = lr.new_empty(len(lr), 3, *grid.size)
    Direct(decoder, lr).render(state, lr, grid, out, NORMALISED)
    return out


def scene(decoder: str, size: tuple[int, int], grid: Grid) -> tuple[Conversion, LMFState, torch.Tensor]:
    torch.manual_seed(0)
    model = lmf_sr.build(TINY, decoder).eval()
    lr = torch.rand(2, 3, *size)
    cell = clip_cell(torch.tensor(grid.cell), size).expand(2, 1, 2)
    with torch.inference_mode():
        return model.decoder, model.decoder.prepare(model.encoder(lr), cell), lr


def pixels_of(chosen: PixelMask) -> torch.Tensor:
    """The chosen pixels of each image, by the definition."""
    (h, w), grid = chosen.latents.shape[1:], chosen.grid
    coords = torch.stack([grid.rows[:, None].expand(grid.size), grid.cols.expand(grid.size)], dim=-1) + 1e-6
    pixels = chosen.latents.flatten(1)[:, nearest(coords, (h, w))]
    return F.max_pool2d(pixels.float()[:, None], 3, 1, 1)[:, 0] > 0 if chosen.around else pixels


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("decoder", ["lm-liif", "lm-lte", "lm-ciaosr"])
@pytest.mark.parametrize(
    ("size", "values"), [((9, 11), NORMALISED), ((18, 22), PIXELS), ((25, 61), UNCLAMPED), ((72, 88), PIXELS)]
)
def test_chosen_pixels_are_those_of_the_whole(
    decoder: str, size: tuple[int, int], values: ValueRange, around: bool, render_chosen: Callable[..., RenderChosen]
) -> None:
    grid = Grid.over(*size)
    conversion, state, lr = scene(decoder, (9, 11), grid)
    share = 0.1 if around else 0.4
    chosen = PixelMask(torch.rand(2, 9, 11, generator=torch.Generator().manual_seed(1)) < share, grid, around)
    out = torch.full((2, 3, *size), LEFT_ALONE)
    with torch.inference_mode():
        whole = rendered_in_full(conversion, conversion.at_cell(state, CELL), lr, grid)
        render_chosen(conversion, state, lr)(CELL, chosen, out, values)
    pixels = pixels_of(chosen)[:, None].expand_as(out)
    torch.testing.assert_close(out[pixels], values.apply_(whole[pixels]), atol=2e-6, rtol=0)
    assert (out[~pixels] == LEFT_ALONE).all()


@pytest.mark.parametrize("everything", [True, False])
def test_all_and_none(everything: bool, render_chosen: Callable[..., RenderChosen]) -> None:
    grid = Grid.over(30, 41)
    conversion, state, lr = scene("lm-liif", (5, 7), grid)
    out = torch.full((2, 3, 30, 41), LEFT_ALONE)
    with torch.inference_mode():
        chosen = PixelMask(torch.full((2, 5, 7), everything), grid)
        render_chosen(conversion, state, lr)(CELL, chosen, out, NORMALISED)
        whole = rendered_in_full(conversion, conversion.at_cell(state, CELL), lr, grid)
    torch.testing.assert_close(out, whole if everything else torch.full_like(out, LEFT_ALONE), atol=2e-6, rtol=0)


sizes = st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 30), st.integers(1, 30))


@given(sizes=sizes, seed=st.integers(0, 99), around=st.booleans())
def test_the_pixels_nearest_to_a_chosen_latent(sizes: tuple[int, int, int, int], seed: int, around: bool) -> None:
    """A pixel as near to two latents belongs to the later; `around` adds the pixels around the chosen ones."""
    h, w, H, W = sizes
    chosen = PixelMask(
        torch.rand(2, h, w, generator=torch.Generator().manual_seed(seed)) < 0.3, Grid.over(H, W), around
    )
    assert torch.equal(chosen.pixels(), pixels_of(chosen))
    assert chosen.pixel_count() == pixels_of(chosen).sum()


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 40)),
    scale=st.floats(1.0, 9.0),
    window=st.tuples(st.floats(0, 0.8), st.floats(0, 0.8)),
    seed=st.integers(0, 99),
)
def test_around_in_any_window(
    size: tuple[int, int],
    scale: float,
    window: tuple[float, float],
    seed: int,
    render_chosen: Callable[..., RenderChosen],
) -> None:
    """The pixels beyond a window's edge are no one's neighbours."""
    whole = Grid.over(*(int(scale * side) for side in size))
    first_row, first_col = (int(share * side) for share, side in zip(window, whole.size, strict=True))
    grid = replace(whole, rows=whole.rows[first_row:], cols=whole.cols[first_col:])
    conversion, state, lr = scene("lm-liif", size, grid)
    chosen = PixelMask(torch.rand(2, *size, generator=torch.Generator().manual_seed(seed)) < 0.3, grid, around=True)
    out = torch.full((2, 3, *grid.size), LEFT_ALONE)
    with torch.inference_mode():
        render_chosen(conversion, state, lr)(CELL, chosen, out, NORMALISED)
    assert torch.equal((out != LEFT_ALONE).all(1), pixels_of(chosen))
