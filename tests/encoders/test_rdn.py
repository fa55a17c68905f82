"""RDN: the published sizes and features, any input size, and how far an LR pixel reaches."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lmf_sr.encoders.rdn import RDN


@pytest.fixture(scope="module")
def small() -> RDN:
    torch.manual_seed(0)
    return RDN(n_blocks=2, n_layers=2, growth=4, n_feats=8)


@pytest.mark.parametrize(
    ("sizes", "parameters"),
    [
        ({"n_blocks": 16, "n_layers": 8, "growth": 64}, 21_973_952),
        ({"n_blocks": 20, "n_layers": 6, "growth": 32}, 5_467_072),
    ],
)
def test_has_the_published_number_of_parameters(sizes: dict[str, int], parameters: int) -> None:
    encoder = RDN(**sizes)
    assert sum(p.numel() for p in encoder.parameters()) == parameters
    assert encoder.out_dim == 64


def test_computes_the_authors_features_from_the_authors_weights(shared: Path) -> None:
    weights = torch.load(shared / "golden/encoders/rdn.pth", weights_only=True)["model"]["sd"]
    golden = load_file(shared / "golden/encoders/rdn.safetensors")
    encoder = RDN(n_blocks=20, n_layers=6, growth=32).eval()
    encoder.load_state_dict({key.removeprefix("encoder."): value for key, value in weights.items()})
    for size in ("21x19", "24x16"):
        with torch.inference_mode():
            features = encoder(golden[f"lr_{size}"])
        torch.testing.assert_close(features, golden[f"features_{size}"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 13), (8, 8), (9, 64)])
def test_takes_any_size(small: RDN, height: int, width: int) -> None:
    lr = torch.randn(2, 3, height, width)
    features = small(lr)
    assert features.shape == (2, small.out_dim, height, width)
    assert torch.equal(features, small(lr))


def test_every_parameter_gets_a_gradient(small: RDN) -> None:
    small(torch.randn(1, 3, 6, 6)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in small.parameters())


def test_an_lr_pixel_reaches_exactly_as_far_as_the_halo() -> None:
    encoder = RDN(n_blocks=2, n_layers=2, growth=2, n_feats=2).double()
    for parameter in encoder.parameters():
        torch.nn.init.constant_(parameter, 0.1)  # no influence cancels and no ReLU stops one
    halo = encoder.receptive_halo
    centre = halo + 1
    lr = torch.ones(1, 3, 2 * centre + 1, 2 * centre + 1, dtype=torch.float64, requires_grad=True)
    encoder(lr)[0, :, centre, centre].sum().backward()
    assert lr.grad is not None
    influence = lr.grad[0].sum(0) != 0
    assert influence[1:-1, 1:-1].all(), "the halo is too wide"
    assert influence.sum() == (2 * halo + 1) ** 2, "the halo is too narrow"
