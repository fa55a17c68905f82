"""A first convolution that is centred on a colour pads its input with that colour."""

import torch
import torch.nn.functional as F

import lmf_sr
from lmf_sr.encoders.centring import FirstConv2d


def test_outside_of_the_picture_is_the_colour() -> None:
    layer, x = FirstConv2d(5, (0.5, -0.25, 1)), torch.randn(2, 3, 4, 6)
    colour = torch.tensor([0.5, -0.25, 1]).view(3, 1, 1)
    framed = colour.expand(2, 3, 6, 8).clone()
    framed[..., 1:-1, 1:-1] = x
    expected = F.conv2d(framed, layer.weight, layer.bias) - (layer.weight * colour).sum((1, 2, 3)).view(-1, 1, 1)
    assert torch.allclose(layer(x), expected, atol=1e-6)


def test_the_colour_is_an_option_and_no_weight() -> None:
    torch.manual_seed(0)
    plain = lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 16}, "lm-liif").eval()
    centred = lmf_sr.build({**plain.config["encoder"], "centre": [0.5, 0.5, 0.5]}, "lm-liif").eval()
    centred.load_state_dict(plain.state_dict())
    picture = torch.rand(3, 5, 7)
    brighter = picture + 0.25  # 0.5 more of a value in [-1, 1]
    with torch.inference_mode():
        expected = plain.encode(picture).render(10, 14, clamp=False)
        assert torch.allclose(centred.encode(brighter).render(10, 14, clamp=False), expected, atol=1e-5)
