"""RLFN against the authors' weights and figures, and what leaving out its attention means."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from lmf_sr.encoders.rlfn import RLFN, without_esa
from lmf_sr.layouts.rlfn import HALF_RANGE, UNIT, from_rlfn

SHARED = Path(__file__).parents[3] / "shared"
SET5 = SHARED / "data/benchmark/Set5"


def picture(path):
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).float() / 255


def public_weights(scale):
    path = SHARED / f"weights/rlfn_s_x{scale}.pth"
    if not path.is_file():
        pytest.skip(f"{path} is absent, so RLFN cannot be compared with its public weights")
    weights = torch.load(path, weights_only=True, map_location="cpu")
    return weights.get("params", weights)


def public_encoder(weights):
    config, ours = from_rlfn(weights, Path("rlfn.pth"))
    encoder = RLFN(**{option: value for option, value in config["encoder"].items() if option != "name"})
    encoder.load_state_dict({name.removeprefix("encoder."): value for name, value in ours.items()})
    return encoder


def features_with_black_around(encoder, lr):
    """The authors' zero padding is black, which is -1 here."""
    first = F.conv2d(F.pad(lr, (1, 1, 1, 1), value=-1.0), encoder.head.weight, encoder.head.bias)
    return first + encoder.tail(encoder.blocks(first))


@pytest.mark.parametrize(("scale", "published"), [(2, 35.88), (4, 30.33)])
@torch.no_grad()
def test_public_weights_with_their_own_upsampler_reach_the_public_psnr_on_set5(scale, published):
    weights = public_weights(scale)
    encoder = public_encoder(weights)
    found = []
    for path in sorted((SET5 / "HR").glob("*.png")):
        lr = picture(SET5 / f"LR_bicubic/X{scale}/{path.stem}x{scale}.png")
        features = features_with_black_around(encoder, (lr[None] - 0.5) / 0.5) * UNIT
        pixels = F.conv2d(features, weights["upsampler.0.weight"], weights["upsampler.0.bias"], padding=1)
        sr = F.pixel_shuffle(pixels, scale)[0].div(255).clamp(0, 1)
        error = (sr - picture(path)[:, : sr.shape[1], : sr.shape[2]])[:, scale:-scale, scale:-scale]
        found.append(-10 * torch.log10(error.square().mean()).item())
    assert sum(found) / len(found) == pytest.approx(published, abs=0.01)


@torch.no_grad()
def test_activations_are_the_authors_divided_by_the_unit():
    weights = public_weights(2)
    x = torch.rand(1, 3, 40, 36)
    theirs = F.conv2d(255 * x, weights["conv_1.weight"], weights["conv_1.bias"])  # no padding: they pad with black
    ours = F.conv2d((x - 0.5) / 0.5, *(public_encoder(weights).head.get_parameter(name) for name in ("weight", "bias")))
    assert torch.allclose(UNIT * ours, theirs, atol=1e-3 * HALF_RANGE)


@torch.no_grad()
def test_where_the_mask_is_the_same_everywhere_nothing_is_lost_without_attention():
    weights = dict(public_weights(2))
    for name in weights:
        if ".esa.conv4.weight" in name:  # the mask is then the sigmoid of this layer's bias
            weights[name] = torch.zeros_like(weights[name])
    encoder = public_encoder(weights)
    x = torch.rand(1, 3, 33, 41) * 2 - 1
    assert torch.allclose(without_esa(encoder, [x[0]])(x), encoder(x), atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (14, 15), (40, 31)])
def test_attention_takes_pictures_of_any_size(size):
    assert RLFN(n_blocks=1, n_feats=16, esa=True)(torch.rand(2, 3, *size)).shape == (2, 16, *size)
