"""The factored decoders compute what the plain equations say: same pixels, same gradients, whatever the sizes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lmf_sr.building import build
from lmf_sr.decoders.base import Decoder
from lmf_sr.geometry import pixel_centers
from lmf_sr.plain import plain_form

METHODS = ["liif", "lte", "ciaosr", "lm-liif", "lm-lte", "lm-ciaosr"]
CHANNELS = 4
sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))
seeds = st.integers(0, 2**16)


def decoder(name: str, seed: int = 0, **options: object) -> Decoder:
    torch.manual_seed(seed)
    encoder = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": CHANNELS}
    return build(encoder, {"name": name, **options}).decoder.double()


def scene(lr_size: tuple[int, int], hr_size: tuple[int, int], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Features of two images, some points on and beyond the image plane, and a cell for each point."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, CHANNELS, *lr_size, generator=generator, dtype=torch.float64)
    anywhere = torch.rand(2, 9, 2, generator=generator, dtype=torch.float64) * 2.4 - 1.2
    grid = torch.cartesian_prod(*(pixel_centers(n) for n in hr_size))[:9].expand(2, -1, -1)
    coords = torch.cat([anywhere, grid], dim=1)
    cell = torch.rand(2, coords.shape[1], 2, generator=generator, dtype=torch.float64)
    cell[:, 0] = torch.tensor([2 / n for n in hr_size])
    return features, coords, cell


@pytest.mark.parametrize("name", METHODS)
@given(lr_size=sizes, hr_size=sizes, seed=seeds)
@settings(max_examples=15, deadline=None)
def test_same_pixels(name: str, lr_size: tuple[int, int], hr_size: tuple[int, int], seed: int) -> None:
    """Images may be one pixel wide, enlarged or reduced, and points may lie over the border."""
    factored = decoder(name, seed)
    features, coords, cell = scene(lr_size, hr_size, seed)
    with torch.no_grad():
        rgb, expected = (d.query(d.prepare(features, cell), coords) for d in (factored, plain_form(factored)))
    assert rgb.shape == (2, coords.shape[1], 3)
    torch.testing.assert_close(rgb, expected, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("name", ["lm-liif", "lm-lte", "lm-ciaosr"])
@pytest.mark.parametrize(
    "option", [{"modulation": "scale"}, {"modulation": "shift"}, {"ensemble": False}, {"code_dim": None}]
)
def test_same_pixels_of_every_ablation(name: str, option: dict[str, object]) -> None:
    factored = decoder(name, **option)
    features, coords, cell = scene((4, 5), (9, 13))
    with torch.no_grad():
        rgb, expected = (d.query(d.prepare(features, cell), coords) for d in (factored, plain_form(factored)))
        whole = decoder(name)
        assert not torch.allclose(rgb, whole.query(whole.prepare(features, cell), coords))
    torch.testing.assert_close(rgb, expected, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("name", METHODS)
def test_same_gradients(name: str) -> None:
    factored = decoder(name)
    features, coords, cell = scene((4, 3), (9, 8))

    def gradients(d: Decoder) -> list[Tensor]:
        leaf = features.clone().requires_grad_()
        rgb = d.query(d.prepare(leaf, cell), coords)
        return list(torch.autograd.grad(rgb.square().sum(), [leaf, *factored.parameters()]))

    for ours, expected in zip(gradients(factored), gradients(plain_form(factored)), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_learns(name: str) -> None:
    trained = decoder(name)
    features, coords, cell = scene((4, 3), (9, 8))
    trained.query(trained.prepare(features, cell), coords).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained.parameters())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_training_stays_finite(name: str, dtype: torch.dtype) -> None:
    trained = decoder(name).float()
    features, coords, cell = (x.float() for x in scene((6, 5), (11, 13)))
    features = (3 * features).requires_grad_()
    with torch.autocast("cpu", dtype):
        loss = trained.query(trained.prepare(features, cell), coords).float().abs().mean()
    loss.backward()
    assert loss.isfinite()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in [features, *trained.parameters()])


def test_a_decoder_with_nothing_factored_is_its_own_plain_form() -> None:
    made_up = Decoder()
    assert plain_form(made_up) is made_up
