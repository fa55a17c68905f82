"""Large pictures, window by window: the pixels of the whole picture, at the cost of the window."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import lmf_sr
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.encoders.base import Encoder
from lmf_sr.encoders.edsr import EDSR
from lmf_sr.encoders.rdn import RDN
from lmf_sr.encoders.swinir import SwinIR
from lmf_sr.geometry import Grid, axis_corners
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.model import Model
from lmf_sr.rendering.budget import PIXEL, STATE, Budget
from lmf_sr.rendering.tiling import Window, encode_window, strips, tile_shape, tiles

TINY = {"name": "edsr-baseline", "n_resblocks": 1}
DECODERS = ("liif", "lte", "ciaosr", "lm-liif", "lm-lte", "lm-ciaosr")
SMALL = Budget(  # with which every picture is a large one
    tile=3000 * EDSR(n_resblocks=1, n_feats=16).activation_bytes,
    features=5000 * 4 * 8,
    states=2000 * STATE,
    reused=2000 * STATE,
    band=2000 * PIXEL,
    band_latents=300 * 832,
    band_pixels=2000 * PIXEL,
)


def model(decoder: str) -> Model:
    """A model whose modulations are as vivid as trained ones."""
    torch.manual_seed(0)
    n_feats = 16 if decoder.startswith("lm-") else 8  # of 16 there are compiled ways; base methods take long with them
    model = lmf_sr.build(TINY | {"n_feats": n_feats}, decoder).eval()
    if isinstance(model.decoder, Conversion):
        model.decoder.latent_mlp.linears[-1].reset_parameters()
    return model


def picture(height: int, width: int, count: int = 1) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(height))


def close(found: Tensor, expected: Tensor) -> None:
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("renderer", ["direct", "auto"])
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    ("lr_size", "hr_size"),
    [((331, 50), (353, 61)), ((197, 13), (311, 31)), ((60, 130), (60, 130))],
    ids=["tall", "narrow", "x1"],
)
def test_a_large_picture_is_rendered_as_a_small_one(
    decoder: str, renderer: str, lr_size: tuple[int, int], hr_size: tuple[int, int]
) -> None:
    """The picture is rendered in strips, and so is a window of it; it is streamed, never encoded whole."""
    (h, w), (H, W) = lr_size, hr_size
    m, lr = model(decoder), picture(h, w)
    whole = m.encode(lr).render(H, W, clamp=False, renderer="direct")
    image = m.encode(lr, SMALL)
    close(image.render(H, W, clamp=False, renderer=renderer), whole)
    view = image.render(H // 5, W // 2, (30 / H, 7 / W, H // 5 / H, W // 2 / W), clamp=False, renderer=renderer)
    close(view, whole[:, :, 30 : 30 + H // 5, 7 : 7 + W // 2])
    if renderer == "auto":
        bands = list(m.stream(lr, H, W, clamp=False, budget=SMALL))
        assert len(bands) > 2
        close(torch.cat(bands, dim=2), whole)


@pytest.mark.parametrize("decoder", ["lm-liif", "lm-lte", "lm-ciaosr"])
@pytest.mark.parametrize("chained", [True, False])
def test_a_large_picture_with_cmsr(decoder: str, chained: bool) -> None:
    """The picture is rendered in strips, and streamed."""
    m, lr, (H, W) = model(decoder), picture(197, 13), (1003, 79)
    image = m.encode(lr)
    ranked = image.intensity(H, W).flatten().sort().values
    limits = [float(ranked[i : i + 2].mean()) for i in (len(ranked) // 3, len(ranked) // 2)]
    table = Scale2Mod.from_limits({6: {1.5: limits[0], 4: limits[1], 6: 1}}, chained=chained).bound_to(m)
    whole = image.render(H, W, clamp=False, cmsr=table)
    assert not torch.allclose(whole, image.render(H, W, clamp=False), atol=1e-3)
    close(m.encode(lr, SMALL).render(H, W, clamp=False, cmsr=table), whole)
    bands = list(m.stream(lr, H, W, clamp=False, cmsr=table, budget=SMALL))
    assert len(bands) > 2
    close(torch.cat(bands, dim=2), whole)


@pytest.mark.parametrize("decoder", ["liif", "lm-ciaosr"])
def test_a_window_over_the_border(decoder: str) -> None:
    m, lr = model(decoder), picture(250, 49)
    region = (-0.1, 0.8, 0.3, 0.4)
    expected = m.encode(lr).render(70, 30, region, clamp=False)
    close(m.encode(lr, SMALL).render(70, 30, region, clamp=False), expected)


def test_pictures_of_a_batch() -> None:
    m, lr = model("lm-lte"), picture(60, 60, count=3)
    expected = m.encode(lr).render(130, 73)
    close(m.encode(lr, SMALL).render(130, 73), expected)
    close(torch.cat(list(m.stream(lr, 130, 73, budget=SMALL)), dim=2), expected)


def test_near_ties_between_latents() -> None:
    """An axis of thousands of latents, at a scale that comes close to ties without meeting them, keeps its corners."""
    size, grid = (4000, 3), Grid.over(12345, 3)
    expected = axis_corners(grid.rows, 4000)
    for rows, read in strips(grid, size, 600):
        window = read.grown(1, 1, size)
        found = axis_corners(window.frame(grid.band(rows.start, rows.stop), size).rows, window.size[0])
        assert torch.equal(found.at + window.top, expected.at[rows])
        torch.testing.assert_close(found.rel, expected.rel[rows], atol=1e-9, rtol=0)


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(1, 400),
    pixels=st.integers(1, 900),
    start=st.floats(-0.2, 1.1),
    extent=st.floats(0.001, 1.2),
    halo=st.integers(1, 60),
    multiple=st.sampled_from([1, 8, 48]),
)
def test_pixels_find_the_same_latents_in_a_window(
    n: int, pixels: int, start: float, extent: float, halo: int, multiple: int
) -> None:
    grid, size = Grid.over(pixels, 1, (start, 0.0, extent, 1.0)), (n, 50)
    window = Window.read_by(grid, size).grown(halo, multiple, size)
    assert window.top % multiple == 0
    assert window.bottom % multiple == 0 or window.bottom == n
    found, expected = axis_corners(window.frame(grid, size).rows, window.size[0]), axis_corners(grid.rows, n)
    weighty = (expected.weight > 1e-4) | (found.weight > 1e-4)
    assert torch.equal((found.at + window.top)[weighty], expected.at[weighty])
    torch.testing.assert_close(found.rel[weighty], expected.rel[weighty], atol=1e-7, rtol=1e-9)


@settings(max_examples=100, deadline=None)
@given(h=st.integers(1, 90), w=st.integers(1, 40), height=st.integers(1, 300), most=st.integers(1, 2000))
def test_strips_cover_a_grid_and_read_little(h: int, w: int, height: int, most: int) -> None:
    grid = Grid.over(height, 3)
    found = list(strips(grid, (h, w), most))
    assert [row for rows, _ in found for row in range(rows.start, rows.stop)] == list(range(height))
    for _, window in found:
        lines, columns = window.size
        assert (lines - 1) * columns <= max(most, columns) or h * w <= most


@settings(max_examples=100, deadline=None)
@given(
    h=st.integers(1, 300),
    w=st.integers(1, 300),
    top=st.floats(0, 0.9),
    margin=st.integers(0, 20),
    most=st.integers(5000, 50_000),
)
def test_tiles_cover_a_window_and_are_small(h: int, w: int, top: float, margin: int, most: int) -> None:
    window = Window(int(top * h), h, 0, w)
    covered = torch.zeros(h, w)
    for tile in tiles(window, (h, w), margin, most):
        tile.crop(covered[None, None]).add_(1)
        seen = tile.grown(margin, 1, (h, w)).size
        assert seen[0] * seen[1] <= most
    assert torch.equal(covered[window.top :], torch.ones(window.size))
    assert not covered[: window.top].any()


def test_a_halo_too_large_for_any_tile_still_has_tiles() -> None:
    assert tile_shape((1000, 1000), (1000, 1000), margin=100, most=100) == (100, 100)


ENCODERS: dict[str, Encoder] = {
    "edsr": EDSR(n_resblocks=2, n_feats=8),
    "rdn": RDN(n_blocks=2, n_layers=2, growth=4, n_feats=8),
    "swinir": SwinIR(n_blocks=1, n_layers=2, dim=8, heads=2, window=4, out_dim=8),
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("window", [Window(0, 53, 0, 61), Window(17, 40, 9, 61), Window(3, 4, 5, 6)])
def test_tiles_are_encoded_as_the_whole(name: str, window: Window) -> None:
    torch.manual_seed(1)
    encoder, lr = ENCODERS[name].double().eval(), torch.rand(2, 3, 53, 61, dtype=torch.float64)
    whole, halo = encoder(lr), encoder.receptive_halo
    assert halo is not None
    seen = []

    def encode(tile: Tensor) -> Tensor:
        seen.append(tile.shape)
        return encoder(tile)

    found = encode_window(encode, lr, window, halo, encoder.tile_multiple, most=2000)
    torch.testing.assert_close(found, window.crop(whole), atol=1e-12, rtol=0)
    assert len(seen) > 1 or window.size == (1, 1)
    assert all(len(lr) * h * w <= 4000 for _, _, h, w in seen)


def test_a_halo_one_smaller_would_not_do() -> None:
    encoder, lr = ENCODERS["edsr"].double(), torch.rand(1, 3, 30, 30, dtype=torch.float64)
    halo, window = encoder.receptive_halo, Window(14, 16, 14, 16)
    assert halo is not None
    off = encode_window(encoder, lr, window, halo - 1, 1, most=900) - window.crop(encoder(lr))
    assert off.abs().max() > 1e-9


def test_an_encoder_without_a_halo_sees_the_whole() -> None:
    m, lr = model("lm-liif"), picture(160, 30)
    expected = m.encode(lr).encoded.features
    m.encoder.receptive_halo = None
    assert torch.equal(m.encode(lr, SMALL).encoded.features, expected)


def test_a_zoom_into_a_large_picture_prepares_only_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """It prepares only its window, and encodes nothing."""
    m = model("liif")
    image = m.encode(picture(200, 100), SMALL)
    prepared = []
    prepare = m.decoder.prepare
    monkeypatch.setattr(m.decoder, "prepare", lambda f, cell: prepared.append(f.shape[-2:]) or prepare(f, cell))
    monkeypatch.setattr(m.encoder, "forward", lambda lr: pytest.fail("encoded again"))
    for left in (0.1, 0.5, 0.8):
        image.render(40, 40, region=(0.5, left, 0.05, 0.1))
    assert len(prepared) == 3
    assert all(h <= 10 + 4 and w <= 10 + 4 for h, w in prepared)
