"""The chooser: the best renderer that covers a decoder where it is, by name or not, and a sentence where there is none."""

import pytest
import torch

import lmf_sr
from lmf_sr.errors import InputError
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.model import ContinuousImage
from lmf_sr.rendering.choice import RENDERERS
from lmf_sr.rendering.renderer import Renderer

COMPILED = not why_not_compiled()


def image(decoder: str, **options: int) -> ContinuousImage:
    torch.manual_seed(0)
    encoder = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 16}
    return lmf_sr.build(encoder, {"name": decoder, **options}).encode(torch.rand(2, 3, 7, 9))


@pytest.mark.parametrize("decoder", ["liif", "lte", "ciaosr"])
def test_base_methods_have_the_direct_path_only(decoder: str) -> None:
    base = image(decoder)
    assert base.renderer().name == base.renderer("direct").name == "direct"
    with pytest.raises(InputError, match=r"'blocked' does not cover \w+ on cpu: choose direct or auto"):
        base.render(8, 8, renderer="blocked")


@pytest.mark.parametrize("decoder", ["lm-liif", "lm-lte", "lm-ciaosr"])
@pytest.mark.parametrize("region", [(0.0, 0.0, 1.0, 1.0), (0.3, -0.2, 0.5, 0.6)])
@pytest.mark.parametrize("clamp", [True, False])
def test_conversions_are_blocked_on_a_cpu(decoder: str, region: tuple[float, float, float, float], clamp: bool) -> None:
    conversion = image(decoder)
    assert conversion.renderer().name == "blocked"
    found = conversion.render(23, 19, region=region, clamp=clamp)
    for name in ("auto", "blocked", "direct"):
        again = conversion.render(23, 19, region=region, clamp=clamp, renderer=name)
        torch.testing.assert_close(again, found, atol=2e-5, rtol=0)


def test_triton_needs_a_gpu() -> None:
    with pytest.raises(InputError, match=r"'triton' does not cover LMLIIF on cpu: choose direct or blocked or auto"):
        image("lm-liif").render(8, 8, renderer="triton")


def test_a_name_that_is_none() -> None:
    with pytest.raises(InputError, match="no renderer 'fast': choose direct, blocked, triton or auto"):
        image("lm-liif").render(8, 8, renderer="fast")


@pytest.mark.skipif(not COMPILED, reason=f"FOR LACK OF A COMPILER: {why_not_compiled()}")
def test_its_form_is_told() -> None:
    assert image("lm-liif").renderer().form == "compiled, from the features on"
    assert image("lm-lte").renderer().form == "compiled, from the features on"
    assert image("lm-ciaosr").renderer().form == "compiled, from the state on"
    assert image("lm-liif", hidden=50).renderer().form == "compiled, from the state on"
    assert image("lm-liif", width=32).renderer().form == "PyTorch: the compiled kernel is for float32 and width 16"
    assert image("liif").renderer().form == "one query per pixel"


@pytest.mark.parametrize("renderer", RENDERERS)
def test_all_renderers_keep_to_the_protocol(renderer: type[Renderer]) -> None:
    conversion = image("lm-liif")
    assert isinstance(renderer(conversion.model.decoder, conversion.encoded.features), Renderer)
