"""Parameters and MACs as the papers count them, without rendering what is counted; latency by the median."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lmf_sr.building import build
from lmf_sr.model import Model
from lmf_sr.profiling import (
    _traced_macs,
    count_decoder_macs,
    count_encoder_macs,
    count_macs,
    count_parameters,
    measure_latency,
)

# Decoder MACs in 1e9 of a 180 x 320 LR picture, from the layer sizes: scale: (LIIF, LM-LIIF, LTE, LM-LTE).
PUBLISHED = {
    1: (79.69, 9.80, 62.52, 15.89),
    2: (318.74, 10.94, 199.12, 17.35),
    3: (717.17, 12.83, 426.80, 19.78),
    4: (1274.96, 15.49, 745.54, 23.19),
    6: (2868.67, 23.09, 1656.23, 32.92),
    8: (5099.85, 33.72, 2931.19, 46.54),
    30: (71716.70, 351.15, 40997.96, 453.35),
}


def small(decoder: str = "lm-liif", n_feats: int = 8) -> Model:
    return build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": n_feats}, decoder).eval()


@pytest.mark.parametrize(
    ("decoder", "parameters"),
    [
        ("liif", 346_883),
        ("lm-liif", 165_651),
        ("lte", 493_827),
        ("lm-lte", 270_467),
        ("ciaosr", 1_428_614),
        ("lm-ciaosr", 734_998),
    ],
)
def test_parameters_are_those_of_the_authors_code(decoder: str, parameters: int) -> None:
    assert count_parameters(build("edsr-baseline", decoder)) == (1_220_416, parameters)


@pytest.mark.parametrize("scale", PUBLISHED)
@pytest.mark.parametrize(("column", "decoder"), enumerate(["liif", "lm-liif", "lte", "lm-lte"]))
def test_the_plain_form_has_the_published_macs(column: int, decoder: str, scale: int) -> None:
    tenth = (18, 32)  # of each side: a hundredth of the work
    macs = 100 * count_decoder_macs(small(decoder, n_feats=64), tenth, (18 * scale, 32 * scale), plain=True)
    assert round(macs / 1e9, 2) == PUBLISHED[scale][column]


def test_liif_s_plain_count_is_its_mlp_at_every_corner() -> None:
    lr_size, hr_size = (5, 7), (13, 11)
    mlp = (9 * 8 + 4) * 256 + 3 * 256 * 256 + 256 * 3
    assert count_decoder_macs(small("liif"), lr_size, hr_size, plain=True) == 4 * 13 * 11 * mlp


def test_lm_liif_as_run_works_at_lr_on_what_does_not_vary() -> None:
    lr_size, hr_size = (5, 7), (13, 11)
    latent = 9 * 8 * 208 + 208 * 208 + 16 * 16  # and the code's part of the first render layer
    of_cell = 2 * 208 + 2 * 16  # once per picture
    per_pixel = 4 * (2 * 16 + 5 * 16 * 16) + 16 * 3  # the last layer follows the ensemble
    macs = count_decoder_macs(small("lm-liif"), lr_size, hr_size, plain=False)
    assert macs == 5 * 7 * latent + of_cell + 13 * 11 * per_pixel


def test_encoder_macs_are_those_of_its_convolutions() -> None:
    convolutions = 9 * (3 * 8 + 3 * 8 * 8)  # head, one block of two, tail
    assert count_encoder_macs(small(), (5, 7)) == 5 * 7 * convolutions


def test_count_macs_is_encoder_plain_and_run_together() -> None:
    model, lr_size, hr_size = small(), (5, 7), (13, 11)
    macs = count_macs(model, lr_size, hr_size)
    assert macs.encoder == count_encoder_macs(model, lr_size)
    assert macs.decoder == count_decoder_macs(model, lr_size, hr_size, plain=True)
    assert macs.decoder_as_run == count_decoder_macs(model, lr_size, hr_size, plain=False)
    assert macs.decoder_as_run < macs.decoder


def test_attention_is_counted() -> None:
    class Attention(nn.Module):
        def forward(self, q: torch.Tensor, kv: torch.Tensor) -> torch.Tensor:
            return F.scaled_dot_product_attention(q, kv, kv)

    assert _traced_macs(Attention(), torch.rand(2, 3, 4, 8), torch.rand(2, 3, 5, 8)) == 2 * 3 * 2 * (4 * 5 * 8)


def test_counting_leaves_the_model_and_the_shape_checks_as_they_were() -> None:
    model = small().train()
    checking = jaxtyping.config.jaxtyping_disable
    count_macs(model, (4, 4), (8, 8))
    assert model.training
    assert jaxtyping.config.jaxtyping_disable == checking


@pytest.mark.parametrize(("warmup", "repeats", "budget_s", "runs"), [(1, 3, 60.0, 4), (0, 2, 60.0, 2), (2, 5, 0.0, 1)])
def test_latency_runs_each_part_as_often_as_asked_and_prepares_every_time(
    monkeypatch: pytest.MonkeyPatch, warmup: int, repeats: int, budget_s: float, runs: int
) -> None:
    model = small()
    calls = []
    for part, step in ((model.encoder, "forward"), (model.decoder, "prepare")):
        run = getattr(part, step)
        monkeypatch.setattr(part, step, lambda *args, run=run, step=step: calls.append(step) or run(*args))
    latency = measure_latency(model, (6, 5), (9, 8), warmup, repeats, budget_s)
    assert latency.encoder_ms > 0
    assert latency.decoder_ms > 0
    assert calls.count("prepare") == runs
    assert calls.count("forward") == runs + 1  # the picture that is rendered is encoded once more
