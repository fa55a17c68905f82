"""N(F) against its definition, position by position, and its blocks."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lmf_sr.decoders import cross_scale
from lmf_sr.decoders.cross_scale import CrossScaleAttention, along_diagonals, blocks


def attention(dim: int = 4) -> CrossScaleAttention:
    torch.manual_seed(0)
    return CrossScaleAttention(dim).double()


def by_definition(net: CrossScaleAttention, features: Tensor) -> Tensor:
    """N(F) of one image of even size, written with loops."""
    e, m = net.embed(features)[0], net.match(features)[0]
    r = net.reference(F.interpolate(features, scale_factor=0.5, mode="bilinear", align_corners=False))[0]
    H, W = features.shape[-2:]
    e, m, r = F.pad(e, (2, 2, 2, 2)), F.pad(m, (1, 1, 1, 1)), F.pad(r, (1, 1, 1, 1))
    positions = [(a, b) for a in range(H // 2) for b in range(W // 2)]
    P = [r[:, a : a + 3, b : b + 3] for a, b in positions]
    P = [p / p.norm().clamp(min=1e-4) for p in P]
    E = [e[:, 2 * a : 2 * a + 6, 2 * b : 2 * b + 6] for a, b in positions]
    enlarged = torch.zeros(e.shape[0], 2 * H + 4, 2 * W + 4, dtype=e.dtype)
    for y in range(H):
        for x in range(W):
            logits = torch.stack([10 * (m[:, y : y + 3, x : x + 3] * p).sum() for p in P])
            seen = sum(a * patch for a, patch in zip(logits.softmax(0), E, strict=True))
            enlarged[:, 2 * y : 2 * y + 6, 2 * x : 2 * x + 6] += seen
    return net.down(enlarged[None, :, 2:-2, 2:-2]) / 6


def test_definition() -> None:
    net, features = attention(), torch.randn(1, 4, 6, 4, dtype=torch.float64)
    torch.testing.assert_close(net(features), by_definition(net, features))


def test_patches_of_almost_no_norm_are_not_blown_up() -> None:
    net, features = attention(), torch.randn(1, 4, 6, 4, dtype=torch.float64)
    with torch.no_grad():
        net.reference[0].weight *= 1e-4
        net.reference[0].bias.zero_()
        net.match[0].weight *= 100
        torch.testing.assert_close(net(features), by_definition(net, features))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
@settings(deadline=None)
def test_sums_along_diagonals(H: int, W: int, h: int, w: int) -> None:
    x = torch.randn(2, H, W, h, w, dtype=torch.float64)
    padded = F.pad(x, 8 * [1])
    near = [(a, b) for a in (0, 1, 2) for b in (0, 1, 2)]
    expected = sum(padded[:, a : a + H, b : b + W, a : a + h, b : b + w] for a, b in near)
    torch.testing.assert_close(along_diagonals(x), expected)


def test_an_image_of_one_colour_has_gradients() -> None:
    net, features = attention(), torch.zeros(1, 4, 6, 4, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        net.reference[0].bias.zero_()
    net(features).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_large_features_do_not_overflow_float16() -> None:
    net, features = attention(8).float(), 500 * torch.randn(1, 8, 12, 8)
    with torch.no_grad(), torch.autocast("cpu", torch.float16):
        assert net(features).isfinite().all()


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_bands(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net, features = attention(), torch.randn(2, 4, 8, 6, dtype=torch.float64)
    expected = net(features)
    monkeypatch.setattr(cross_scale, "BAND", rows * 6 * 4 * 3)
    torch.testing.assert_close(net(features), expected)


def test_odd_sizes_are_padded_by_reflection() -> None:
    net, features = attention(), torch.randn(1, 4, 5, 3, dtype=torch.float64)
    padded = F.pad(features, (0, 1, 0, 1), mode="reflect")
    torch.testing.assert_close(net(features), by_definition(net, padded)[..., :5, :3])


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (8, 1)])
def test_a_single_row_or_column_is_repeated(size: tuple[int, int]) -> None:
    net, features = attention(), torch.randn(2, 4, *size, dtype=torch.float64)
    rows, cols = (range(n) if n % 2 == 0 else [*range(n), max(n - 2, 0)] for n in size)
    padded = features[..., list(rows), :][..., list(cols)]
    torch.testing.assert_close(net(features), net.attend(padded)[..., : size[0], : size[1]])


def test_images_of_a_batch_do_not_see_each_other() -> None:
    net, features = attention(), torch.randn(3, 4, 6, 9, dtype=torch.float64)
    torch.testing.assert_close(net(features)[1:2], net(features[1:2]))


@given(st.integers(1, 500))
def test_blocks_cover_an_axis(n: int) -> None:
    found = blocks(n)
    assert [i for block in found for i in range(n)[block]] == list(range(n))
    assert all(48 <= block.stop - block.start < 96 for block in found) or (n < 48 and len(found) == 1)


@given(st.integers(30, 110), st.integers(30, 150))
@settings(max_examples=5, deadline=None)
def test_large_images_are_attended_in_blocks_with_a_margin_of_one(h: int, w: int) -> None:
    net, features = attention(2), torch.randn(1, 2, h, w, dtype=torch.float64)
    if h * w <= 48 * 48:
        torch.testing.assert_close(net(features), net.attend(features))
        return
    found = net(features)
    assert found.shape == features.shape
    for rows in blocks(h):
        for cols in blocks(w):
            top, left, bottom, right = rows.start > 0, cols.start > 0, rows.stop < h, cols.stop < w
            seen = features[..., rows.start - top : rows.stop + bottom, cols.start - left : cols.stop + right]
            inside = net.attend(seen)[..., int(top) :, int(left) :]
            expected = inside[..., : rows.stop - rows.start, : cols.stop - cols.start]
            torch.testing.assert_close(found[..., rows, cols], expected)


def test_a_side_under_48_is_attended_whole() -> None:
    """The authors' code leaves zeros there."""
    net, features = attention(2), torch.randn(1, 2, 20, 130, dtype=torch.float64)
    found = net(features)
    torch.testing.assert_close(found[..., :48], net.attend(features[..., :49])[..., :48])
    torch.testing.assert_close(found[..., 48:], net.attend(features[..., 47:])[..., 1:])


MEASURE = """
import itertools, torch
from lmf_sr.decoders.cross_scale import CrossScaleAttention
net = CrossScaleAttention(64)
attend, count = net.attend, itertools.count()
net.attend = lambda seen: attend(seen) if next(count) % {every} == 0 else torch.zeros_like(seen)
with torch.no_grad():
    net(torch.randn(1, 64, {h}, {w}))
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peak memory from /proc")
@pytest.mark.parametrize(
    ("h", "w", "every", "gib"),
    [
        (95, 97, 1, 0.8),  # the largest block there is
        (720, 1280, 16, 2.0),  # one block in 16 is computed, which is enough to see that they do not add up
    ],
)
def test_memory(h: int, w: int, every: int, gib: float) -> None:
    """A process computes N(F) once; PyTorch itself takes some 0.2 GiB.

    The peak is that of its address space, VmHWM: `getrusage` would include what the parent held when it forked.
    """
    code = MEASURE.format(h=h, w=w, every=every)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) / 2**20 < gib
