"""EDSR and RLFN have the same features where they are compiled."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lmf_sr
from lmf_sr.encoders import cpu
from lmf_sr.encoders.edsr import EDSR
from lmf_sr.encoders.rdn import RDN
from lmf_sr.encoders.rlfn import RLFN
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.rendering.tiling import Window, encode_window

needs_compiler = pytest.mark.skipif(
    why_not_compiled() is not None, reason=f"FOR LACK OF A COMPILER: {why_not_compiled()}"
)


def encoder(n_resblocks: int = 3, n_feats: int = 32, res_scale: float = 1.0) -> EDSR:
    torch.manual_seed(0)
    return EDSR(n_resblocks, n_feats, res_scale).eval()


def rlfn(n_blocks: int = 1, n_feats: int = 48, esa: bool = False) -> RLFN:
    torch.manual_seed(0)
    return RLFN(n_blocks, n_feats, esa).eval()


def check_features(model: EDSR | RLFN, size: tuple[int, int], images: int, transposed: bool) -> None:
    """The compiled features of random pictures, in either layout, are those of PyTorch in float64."""
    lr = torch.rand(images, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    lr = lr.mT if transposed else lr
    with torch.inference_mode():
        assert cpu.supports(model, lr)
        features = cpu.encode(model, lr)
        expected = model.double()(lr.double()).float()
    torch.testing.assert_close(features, expected, atol=5e-6, rtol=0)


@needs_compiler
@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 140)),
    images=st.integers(1, 3),
    n_feats=st.sampled_from([16, 48, 64, 80]),
    res_scale=st.sampled_from([1.0, 0.1]),
    transposed=st.booleans(),
)
def test_any_picture(size: tuple[int, int], images: int, n_feats: int, res_scale: float, transposed: bool) -> None:
    check_features(encoder(2, n_feats, res_scale), size, images, transposed)


@needs_compiler
@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 140)),
    images=st.integers(1, 3),
    n_feats=st.sampled_from([16, 32, 48, 80]),
    n_blocks=st.integers(0, 2),
    transposed=st.booleans(),
)
def test_rlfn_of_any_picture(size: tuple[int, int], images: int, n_feats: int, n_blocks: int, transposed: bool) -> None:
    check_features(rlfn(n_blocks, n_feats), size, images, transposed)


@needs_compiler
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (61, 67)])
def test_the_whole_rlfn_is_within_1e_5_of_the_features_scale(size: tuple[int, int]) -> None:
    """Six blocks of 48 channels, on weights that keep features of one size through all of them."""
    model = rlfn(6, 48)
    for convolution in model.modules():
        if isinstance(convolution, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(convolution.weight, a=0.05)
    lr = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        features = cpu.encode(model, lr).double()
        expected = model.double()(lr.double())
    assert (features - expected).abs().max() <= 1e-5 * expected.square().mean().sqrt()


@needs_compiler
def test_rlfn_in_windows_is_the_whole() -> None:
    model, lr = rlfn(1, 48), torch.rand(1, 3, 30, 45)
    with torch.inference_mode():
        whole = cpu.encode(model, lr)
        for window in (Window(3, 20, 7, 40), Window(0, 30, 41, 45)):
            assert model.receptive_halo is not None
            part = encode_window(lambda x: cpu.encode(model, x), lr, window, model.receptive_halo, 1, 400)
            torch.testing.assert_close(part, window.crop(whole), atol=2e-6, rtol=0)


@needs_compiler
def test_no_blocks() -> None:
    model, lr = encoder(n_resblocks=0), torch.rand(1, 3, 5, 6)
    with torch.inference_mode():
        torch.testing.assert_close(cpu.encode(model, lr), model(lr), atol=5e-6, rtol=0)


@needs_compiler
def test_what_is_not_a_number_stays_so_and_spreads_no_further_than_it_must() -> None:
    """A tile's outputs depend on all of its inputs, which reach one position further than a convolution's."""
    model, lr = encoder(n_resblocks=1), torch.rand(1, 3, 20, 40)
    lr[0, 0, 9, 30] = torch.nan
    with torch.inference_mode():
        found, expected = cpu.encode(model, lr).isnan(), model(lr).isnan()
    assert found[expected].all()
    assert not found[..., :20].any()


class OtherEDSR(EDSR):
    """A class of the test's own, which may compute anything."""


@needs_compiler
def test_it_can_be_traced() -> None:
    model = lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 1}, "lm-liif")
    one, other = torch.rand(2, 1, 3, 5, 6)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.requires_grad_(False)
        traced = torch.jit.trace(lambda lr: model.features(lr), one, check_trace=False)
        torch.testing.assert_close(traced(other), model.features(other), atol=5e-6, rtol=0)


def test_it_is_for_inference_of_edsr_and_rlfn_in_float32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, lr = encoder(), torch.rand(1, 3, 5, 6)
    assert not cpu.supports(model, lr)  # gradients are wanted
    with torch.inference_mode():
        assert cpu.supports(model, lr) == (why_not_compiled() is None)
        assert not cpu.supports(encoder(n_feats=24), lr)
        assert not cpu.supports(encoder().double(), lr.double())
        assert not cpu.supports(encoder(n_feats=144), lr)
        assert not cpu.supports(RDN(), lr)
        assert cpu.supports(rlfn(), lr) == (why_not_compiled() is None)
        assert not cpu.supports(rlfn(esa=True), lr)
        assert not cpu.supports(rlfn(n_feats=52), lr)
        assert not cpu.supports(OtherEDSR(), lr)
        watched = encoder()
        watched.head.register_forward_hook(lambda *_: None)
        assert not cpu.supports(watched, lr)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not cpu.supports(model, lr)
        monkeypatch.setattr(cpu, "why_not_compiled", lambda: "there is no C compiler")
        assert not cpu.supports(model, lr)


@needs_compiler
def test_a_model_uses_the_compiled_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture is the same with and without it, and training does without it."""
    torch.manual_seed(0)
    model = lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 2}, "lm-liif")
    picture = torch.rand(3, 13, 17)
    found = model.encode(picture).render(39, 51)
    monkeypatch.setattr(cpu, "why_not_compiled", lambda: "not wanted")
    torch.testing.assert_close(found, model.encode(picture).render(39, 51), atol=5e-6, rtol=0)
    model.train()(picture[None], torch.zeros(1, 4, 2), torch.full((1, 1, 2), 0.1)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.encoder.parameters())
