"""LTE's Fourier features."""

import math

import torch

from lmf_sr.decoders.lte import LTE, fourier


def test_fourier_features_are_the_papers() -> None:
    K = 6
    waves, rel, phase = torch.randn(2 * K), torch.randn(2), torch.randn(K // 2)
    coef, freq = waves[:K].tolist(), waves[K:].tolist()
    f = [freq[2 * k] * rel[0].item() + freq[2 * k + 1] * rel[1].item() + phase[k].item() for k in range(K // 2)]
    expected = [coef[k] * math.cos(math.pi * f[k]) for k in range(K // 2)]
    expected += [coef[K // 2 + k] * math.sin(math.pi * f[k]) for k in range(K // 2)]
    torch.testing.assert_close(fourier(waves, rel, phase), torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_the_state_holds_both_convolutions_and_the_phases_of_every_cell() -> None:
    lte = LTE(in_dim=4, fourier_dim=6)
    features, cell = torch.randn(2, 4, 3, 5), torch.rand(2, 7, 2)
    state = lte.prepare(features, cell)
    both = torch.cat([lte.coef(features), lte.freq(features)], dim=1)
    torch.testing.assert_close(state.waves, both.permute(0, 2, 3, 1))
    torch.testing.assert_close(state.phase, lte.phase(cell * torch.tensor([3.0, 5.0])))
