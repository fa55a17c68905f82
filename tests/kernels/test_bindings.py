"""The boundary between Python and C: structures laid out alike, errors that are said, and one geometry on both sides."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lmf_sr.geometry import Grid, ensemble, four_corners, gather, nearest_corner, sample_bilinear
from lmf_sr.kernels import bindings
from lmf_sr.kernels.bindings import GridAxis, GridPixels, Layer, RenderMLP
from lmf_sr.kernels.compilation import Unavailable
from lmf_sr.kernels.winograd import transformed

pytestmark = pytest.mark.skipif(
    bindings.why_not_compiled() is not None, reason=f"FOR LACK OF A COMPILER: {bindings.why_not_compiled()}"
)

LEFT_ALONE = 7.0
side = st.integers(1, 60)  # on axes of more than 48 latents ties are settled later


def random(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def grid_pixels(grid: Grid, h: int, w: int, chosen: Tensor | None = None) -> GridPixels:
    return GridPixels(GridAxis(grid.rows, h), GridAxis(grid.cols, w), chosen)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    region = draw(st.sampled_from([(0.0, 0.0, 1.0, 1.0), (0.25, 0.5, 0.5, 0.25), (-0.1, 0.3, 1.3, 0.5)]))
    return Grid.over(draw(st.integers(1, 90)), draw(st.integers(1, 90)), region)


def coords_of(grid: Grid) -> Tensor:
    return torch.cartesian_prod(grid.rows, grid.cols).view(1, -1, 2)


# Layout


def test_the_structures_are_laid_out_alike() -> None:
    library = bindings._library_or_reason()
    assert not isinstance(library, str)
    in_c = bindings.layout_in_c(library)
    assert in_c == bindings.layout_in_python()
    assert in_c["lmf_convolve_job", "scale"][1] == 4
    assert {structure for structure, _ in in_c} == {"LANES", *bindings.STRUCTURES}


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (("lmf_picture", ""), (0, 64)),  # a structure of another size
        (("lmf_render_job", "depth"), (0, 8)),  # a field elsewhere
        (("lmf_convolve_job", "scale"), (172, 8)),  # a field of another type
        (("lmf_axis", "step"), (40, 8)),  # a field that Python does not know
        (("lmf_axis", "tie"), None),  # a field that C does not know
    ],
)
def test_a_library_laid_out_otherwise_is_refused(place: tuple[str, str], change: tuple[int, int] | None) -> None:
    layout = bindings.layout_in_python()
    bindings.check_layout(layout)
    changed = {**layout, place: change} if change else {other: at for other, at in layout.items() if other != place}
    with pytest.raises(Unavailable, match=r"kernels/bindings\.py at") as error:
        bindings.check_layout(changed)  # type: ignore[arg-type]
    assert ".".join(place).rstrip(".") in str(error.value)


# Errors


def test_where_c_finds_no_memory_python_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bindings.torch, "get_num_threads", lambda: 2**40)  # so many scratches fit nowhere
    layer = Layer(transformed(random(16, 16, 3, 3), 2), random(16))
    with pytest.raises(MemoryError, match="no memory for the scratch of lmf_convolve"):
        bindings.convolve(random(1, 4, 4, 16), layer, torch.empty(1, 4, 4, 16))


# Geometry: `grid.h` and `render.c` hold a copy of `geometry.py`


@settings(deadline=None)
@given(h=side, w=side, grid=grids())
def test_a_pixel_sees_the_latents_that_geometry_says(h: int, w: int, grid: Grid) -> None:
    """A render MLP of one layer that relu leaves alone gives rgb = sum_t w_t (gain_t (W rel_t) + offset_t)."""
    gain, offset = random(1, h, w, 16), 100 + random(1, h, w, 16)
    first, last = random(2, 16) - 0.5, torch.zeros(17, 16)
    last[:16, :3] = random(16, 3) / 16
    mlp = RenderMLP(first=first, hidden=None, last=last, depth=1)
    out = torch.empty(1, 3, *grid.size)
    bindings.render(mlp, torch.cat([gain, offset], dim=-1), grid_pixels(grid, h, w), out)
    corners = four_corners(coords_of(grid), (h, w))
    gains, offsets = (gather(x.double(), corners.at) for x in (gain, offset))
    y = ensemble(gains * (corners.rel @ first.double()) + offsets, corners.weight)
    expected = (y @ last[:16, :3].double()).mT.view(1, 3, *grid.size)
    torch.testing.assert_close(out.double(), expected, atol=2e-4, rtol=0)


@settings(deadline=None)
@given(h=side, w=side, grid=grids(), seed=st.integers(0, 9))
def test_a_pixel_is_chosen_with_the_latent_that_geometry_says(h: int, w: int, grid: Grid, seed: int) -> None:
    chosen = torch.rand(1, h, w, generator=torch.Generator().manual_seed(seed)) < 0.5
    out = torch.full((1, 1, *grid.size), LEFT_ALONE)
    axes = GridAxis(grid.rows, h), GridAxis(grid.cols, w)
    bindings.upsample(torch.zeros(1, 1, h, w), *axes, grid_pixels(grid, h, w, chosen), out)
    nearest = nearest_corner(coords_of(grid), (h, w)).at[0, :, 0]
    assert torch.equal(out.flatten() == 0, chosen.flatten()[nearest])


@settings(deadline=None)
@given(h=side, w=side, grid=grids())
def test_a_pixel_lies_between_the_pixels_that_geometry_says(h: int, w: int, grid: Grid) -> None:
    picture, out = random(1, 3, h, w), torch.empty(1, 3, *grid.size)
    axes = GridAxis(grid.rows, h), GridAxis(grid.cols, w)
    bindings.upsample(picture, *axes, GridPixels(*axes), out)
    expected = sample_bilinear(picture.double(), coords_of(grid)).mT.view(1, 3, *grid.size)
    torch.testing.assert_close(out.double(), expected, atol=2e-6, rtol=0)
