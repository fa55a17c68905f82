"""SwinIR: the published size and features, any input size, what the windows may see, and tiles."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from lmf_sr.encoders.swinir import (
    SwinIR,
    SwinLayer,
    from_windows,
    pad_by_reflection,
    relative_positions,
    shift_mask,
    to_windows,
)


def small_swinir(n_blocks: int = 2, n_layers: int = 2) -> SwinIR:
    torch.manual_seed(0)
    encoder = SwinIR(n_blocks=n_blocks, n_layers=n_layers, dim=12, heads=2, out_dim=5)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # far from the near-identity of fresh weights: influences show
    return encoder.eval()


@pytest.fixture(scope="module")
def small() -> SwinIR:
    return small_swinir()


def test_refuses_heads_that_do_not_divide_the_channels() -> None:
    with pytest.raises(ValueError, match="7 heads do not divide 180 channels"):
        SwinIR(heads=7)


def test_has_the_published_number_of_parameters() -> None:
    encoder = SwinIR()
    assert sum(p.numel() for p in encoder.parameters()) == 11_603_044
    assert encoder.out_dim == 64


def test_computes_the_authors_features_from_the_authors_weights(shared: Path) -> None:
    weights = torch.load(shared / "golden/encoders/swinir.pth", weights_only=True)["model"]["sd"]
    golden = load_file(shared / "golden/encoders/swinir.safetensors")
    own = {}
    for key, value in weights.items():
        if key.endswith(".relative_position_index"):
            assert torch.equal(value, relative_positions(8))
        elif key.endswith(".attn_mask"):
            assert torch.equal(value.float(), shift_mask(48, 48, 8).squeeze(1).clamp(min=-100))
        else:
            key = key.removeprefix("encoder.").replace("patch_embed.norm.", "norm_first.")
            own[key.replace(".residual_group.blocks.", ".blocks.")] = value
    encoder = SwinIR().eval()
    encoder.load_state_dict(own)
    for size in ("21x19", "24x16"):
        lr = golden[f"lr_{size}"]
        with torch.inference_mode():
            features = encoder(lr)
        uncropped = golden[f"features_{size}"]
        torch.testing.assert_close(features, uncropped[..., : lr.shape[-2], : lr.shape[-1]], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 13), (8, 8), (9, 64), (1, 30), (2, 3)])
def test_takes_any_size(small: SwinIR, height: int, width: int) -> None:
    lr = torch.randn(2, 3, height, width)
    features = small(lr)
    assert features.shape == (2, small.out_dim, height, width)
    assert features.isfinite().all()
    assert torch.equal(features, small(lr))


def test_sizes_may_follow_each_other_in_any_order(small: SwinIR) -> None:
    lr = torch.randn(1, 3, 10, 12)
    features = small(lr)
    small(torch.randn(1, 3, 30, 9))
    assert torch.equal(small(lr), features)


def test_images_of_a_batch_do_not_see_each_other(small: SwinIR) -> None:
    lr = torch.randn(3, 3, 17, 9)
    torch.testing.assert_close(small(lr), torch.cat([small(image[None]) for image in lr]))


@given(st.integers(1, 20), st.integers(1, 20))
def test_padding_reflects_back_and_forth(height: int, width: int) -> None:
    def back_and_forth(n: int) -> list[int]:
        cycle = [*range(n), *range(n - 2, 0, -1)]
        return [cycle[i % len(cycle)] for i in range(-(-n // 8) * 8)]

    image = torch.randn(1, 2, height, width)
    expected = image[:, :, back_and_forth(height)][..., back_and_forth(width)]
    assert torch.equal(pad_by_reflection(image, 8), expected)
    if height > 4 and width > 4:  # larger than the pad: the usual reflection
        assert torch.equal(expected, F.pad(image, (0, -width % 8, 0, -height % 8), mode="reflect"))


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5))
def test_windows_are_put_back_where_they_were(rows: int, columns: int, window: int) -> None:
    x = torch.randn(2, rows * window, columns * window, 3)
    windows = to_windows(x, window)
    assert torch.equal(windows[0, 0], x[0, :window, :window].flatten(0, 1))
    assert torch.equal(windows[0, columns - 1], x[0, :window, -window:].flatten(0, 1))
    assert torch.equal(from_windows(windows, rows * window, window), x)


@pytest.mark.parametrize("shift", [0, 4])
def test_a_layer_sees_its_window_and_nothing_else(shift: int) -> None:
    torch.manual_seed(0)
    layer = SwinLayer(dim=6, heads=2, window=8, shift=shift, mlp_ratio=2, drop_rate=0.0).eval()
    x = torch.randn(1, 16, 24, 6, requires_grad=True)
    row, column = torch.arange(16), torch.arange(24)
    for i, j in [(0, 0), (3, 23), (5, 11), (12, 4), (15, 23), (11, 20)]:
        (seen,) = torch.autograd.grad(layer(x, shift_mask(16, 24, 8))[0, i, j].square().sum(), x)
        same_window = ((row + shift) // 8 == (i + shift) // 8)[:, None] & ((column + shift) // 8 == (j + shift) // 8)
        assert torch.equal(seen[0].any(-1), same_window)


def test_every_parameter_gets_a_gradient() -> None:
    encoder = small_swinir().train()
    encoder(torch.randn(4, 3, 10, 10)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in encoder.parameters())


def test_trains_under_autocast() -> None:
    encoder = small_swinir().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = encoder(torch.randn(2, 3, 10, 10)).float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


def test_drop_path_skips_samples_in_training_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer = SwinLayer(dim=2, heads=1, window=1, shift=0, mlp_ratio=1, drop_rate=0.25)
    branch = layer._drop_path(torch.ones(4000, 1, 1, 2)).squeeze()
    assert set(branch.flatten().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert torch.equal(branch[:, 0], branch[:, 1])
    assert branch.mean().item() == pytest.approx(1, abs=0.05)
    assert layer.eval()._drop_path(torch.ones(1, 1, 1, 2)).tolist() == [[[[1.0, 1.0]]]]


@pytest.mark.parametrize(("n_blocks", "n_layers"), [(1, 2), (2, 2), (2, 3)])
def test_an_lr_pixel_reaches_as_far_as_the_halo(n_blocks: int, n_layers: int) -> None:
    encoder = small_swinir(n_blocks, n_layers).double()
    halo = encoder.receptive_halo
    width = 8 * (2 * halo // 8 + 4)
    furthest = 0
    for column in range(width // 2, width // 2 + 8):  # every place in a window
        lr = torch.randn(1, 3, 8, width, dtype=torch.float64, requires_grad=True)
        (influence,) = torch.autograd.grad(encoder(lr)[0, :, 3, column].sum(), lr)
        reached = influence.abs().sum((0, 1, 2)).nonzero().squeeze(1)
        furthest = max(furthest, int((reached - column).abs().max()))
    assert furthest == halo


def test_tiles_on_the_grid_of_the_windows_give_the_features_of_the_whole(small: SwinIR) -> None:
    torch.manual_seed(0)
    lr = torch.randn(1, 3, 11, 101)
    whole = small(lr)
    halo, grid = small.receptive_halo, small.tile_multiple
    for left, right in [(0, 30), (30, 60), (60, 101)]:
        start = max(0, (left - halo) // grid * grid)
        end = min(101, -(-(right + halo) // grid) * grid)
        tile = small(lr[..., start:end])[..., left - start : right - start]
        torch.testing.assert_close(tile, whole[..., left:right], rtol=0, atol=1e-5)
