"""The state as the shader reads it: which decoders, how many texels, and what lies where."""

import pytest
import torch

from lmf_sr.building import build
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.viewer.textures import drawable, layers, render_mlp, texels

SMALL = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}


@pytest.mark.parametrize(
    ("decoder", "is_drawn"),
    [
        *(("lm-liif", True), ("lm-lte", True), ("lm-ciaosr", True), ("liif", False), ("lte", False)),
        *(({"name": "lm-liif", "depth": 17}, False), ({"name": "lm-liif", "width": 8}, False)),
        *(({"name": "lm-liif", "ensemble": False}, False), ({"name": "lm-lte", "code_dim": None}, False)),
    ],
)
def test_which_decoders_are_drawn(decoder: str | dict[str, object], is_drawn: bool) -> None:
    assert drawable(build(SMALL, decoder).decoder) == is_drawn


@pytest.mark.parametrize("name", ["lm-liif", "lm-lte", "lm-ciaosr"])
def test_texels_hold_gain_offset_code_and_the_picture(name: str) -> None:
    torch.manual_seed(0)
    model = build(SMALL, name).eval()
    decoder = model.decoder
    assert isinstance(decoder, Conversion)
    assert drawable(decoder)
    lr = torch.rand(1, 3, 6, 7) * 2 - 1
    with torch.no_grad():
        state = decoder.prepare(model.features(lr), torch.tensor([[[0.1, 0.1]]]))
    found = texels(decoder, state, lr)
    assert found.shape == (layers(decoder), 6, 7, 4)
    gain, offset, _ = decoder.split_modulations(state.modulations)
    depth = decoder.depth
    for layer in (0, depth - 1):
        quads = [torch.stack(list(part[0, 2, 3, layer].split(4))) for part in (gain, offset)]
        assert torch.equal(found[4 * layer : 4 * layer + 4, 2, 3], quads[0])
        assert torch.equal(found[4 * (depth + layer) : 4 * (depth + layer) + 4, 2, 3], quads[1])
    if decoder.lr_skip:
        assert torch.equal(found[-1, 2, 3, :3], lr[0, :, 2, 3])
    mlp = render_mlp(decoder)
    assert len(mlp["hidden"]) == depth - 1
    assert mlp["layers"] == len(found)
    assert (mlp["cell"] is None) == (name == "lm-ciaosr")
