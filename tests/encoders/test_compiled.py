"""EDSR compiled is EDSR."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lmf_sr
from lmf_sr.encoders import compiled
from lmf_sr.encoders.edsr import EDSR
from lmf_sr.encoders.rdn import RDN
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.kernels.winograd import G, transformed

needs_compiler = pytest.mark.skipif(
    why_not_compiled() is not None, reason=f"FOR LACK OF A COMPILER: {why_not_compiled()}"
)


def encoder(n_resblocks: int = 3, n_feats: int = 32, res_scale: float = 1.0) -> EDSR:
    torch.manual_seed(0)
    return EDSR(n_resblocks, n_feats, res_scale).eval()


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
    model = encoder(2, n_feats, res_scale)
    lr = torch.rand(images, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    lr = lr.mT if transposed else lr
    with torch.inference_mode():
        assert compiled.supports(model, lr)
        found = compiled.encode(model, lr)
        expected = model.double()(lr.double()).float()
    torch.testing.assert_close(found, expected, atol=5e-6, rtol=0)


@needs_compiler
def test_no_blocks() -> None:
    model, lr = encoder(n_resblocks=0), torch.rand(1, 3, 5, 6)
    with torch.inference_mode():
        torch.testing.assert_close(compiled.encode(model, lr), model(lr), atol=5e-6, rtol=0)


@needs_compiler
def test_what_is_not_a_number_stays_so_and_spreads_no_further_than_it_must() -> None:
    """A tile's outputs depend on all of its inputs, which reach one position further than a convolution's."""
    model, lr = encoder(n_resblocks=1), torch.rand(1, 3, 20, 40)
    lr[0, 0, 9, 30] = torch.nan
    with torch.inference_mode():
        found, expected = compiled.encode(model, lr).isnan(), model(lr).isnan()
    assert found[expected].all()
    assert not found[..., :20].any()


class OtherEDSR(EDSR):
    """Its own class, which may compute anything."""


@needs_compiler
def test_it_can_be_traced() -> None:
    model, (one, other) = (
        lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 1}, "lm-liif"),
        torch.rand(2, 1, 3, 5, 6),
    )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.requires_grad_(False)
        traced = torch.jit.trace(lambda lr: model.features(lr), one, check_trace=False)
        torch.testing.assert_close(traced(other), model.features(other), atol=5e-6, rtol=0)


def test_it_is_for_inference_of_edsr_in_float32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, lr = encoder(), torch.rand(1, 3, 5, 6)
    assert not compiled.supports(model, lr)  # gradients are wanted
    with torch.inference_mode():
        assert compiled.supports(model, lr) == (why_not_compiled() is None)
        assert not compiled.supports(encoder(n_feats=24), lr)
        assert not compiled.supports(encoder().double(), lr.double())
        assert not compiled.supports(encoder(n_feats=144), lr)
        assert not compiled.supports(RDN(), lr)
        assert not compiled.supports(OtherEDSR(), lr)
        watched = encoder()
        watched.head.register_forward_hook(lambda *_: None)
        assert not compiled.supports(watched, lr)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not compiled.supports(model, lr)
        monkeypatch.setattr(compiled, "why_not_compiled", lambda: "there is no C compiler")
        assert not compiled.supports(model, lr)


@needs_compiler
def test_a_model_encodes_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without it, a picture is the same; and training is as it was."""
    torch.manual_seed(0)
    model = lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 2}, "lm-liif")
    picture = torch.rand(3, 13, 17)
    found = model.encode(picture).render(39, 51)
    monkeypatch.setattr(compiled, "why_not_compiled", lambda: "not wanted")
    torch.testing.assert_close(found, model.encode(picture).render(39, 51), atol=5e-6, rtol=0)
    model.train()(picture[None], torch.zeros(1, 4, 2), torch.full((1, 1, 2), 0.1)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.encoder.parameters())


def test_the_transform_of_a_kernel() -> None:
    kernel = torch.rand(5, 4, 3, 3)
    transform = torch.tensor(G)
    expected = (transform @ kernel @ transform.T).permute(2, 3, 1, 0).flatten(0, 1)
    torch.testing.assert_close(transformed(kernel), expected)
