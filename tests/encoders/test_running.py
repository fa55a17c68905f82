"""An encoder is run the fastest way that there is, and gives the same features."""

import pytest
import torch
from torch import Tensor, nn

from lmf_sr.encoders import cpu, running
from lmf_sr.encoders.edsr import EDSR
from lmf_sr.kernels.bindings import why_not_compiled


@pytest.fixture
def encoder() -> EDSR:
    torch.manual_seed(0)
    return EDSR(n_resblocks=1, n_feats=16).eval()


@pytest.fixture
def lr() -> Tensor:
    return torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1


def layouts_seen(encoder: EDSR) -> list[bool]:
    """Whether the pictures that the first convolution is given are channels-last, as they come."""
    seen: list[bool] = []

    def look(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))

    encoder.head.register_forward_pre_hook(look)
    return seen


@pytest.mark.skipif(why_not_compiled() is not None, reason="SKIPPED FOR LACK OF A COMPILER")
def test_inference_takes_the_compiled_encoder(encoder: EDSR, lr: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = cpu.encode
    monkeypatch.setattr(cpu, "encode", lambda *arguments: calls.append(1) or encode(*arguments))
    with torch.inference_mode():
        found = running.encode(encoder, lr)
    assert calls
    torch.testing.assert_close(found, encoder(lr), atol=5e-6, rtol=0)


def test_training_on_a_cpu_runs_channels_last(encoder: EDSR, lr: Tensor) -> None:
    expected = encoder(lr)
    seen = layouts_seen(encoder.train())
    found = running.encode(encoder, lr)
    assert seen == [True]
    assert found.requires_grad
    torch.testing.assert_close(found, expected, atol=5e-6, rtol=0)


def test_evaluation_keeps_the_layout(encoder: EDSR, lr: Tensor) -> None:
    """Gradients are wanted, so PyTorch encodes; but its rounding is that of the encoder by itself."""
    seen = layouts_seen(encoder)
    assert torch.equal(running.encode(encoder, lr), encoder(lr))
    assert seen == [False, False]
