"""`lmf-sr profile`: the cost of any model, without data."""

from pathlib import Path

import pytest
from command_line import Run

from lmf_sr.building import build
from lmf_sr.checkpoints import load
from lmf_sr.profiling import count_macs, count_parameters
from lmf_sr.results.records import Result, read_record


def result(folder: Path) -> list[Result]:
    (path,) = folder.glob("outputs/profile/*/result.json")
    (found,) = read_record(path).results.values()
    return found


def test_a_fresh_model_at_several_scales(run: Run, tmp_path: Path) -> None:
    outcome = run(
        "profile", "decoder=liif", "encoder.n_resblocks=1", "encoder.n_feats=8", "lr_size=[6,5]", "scale=[1,2.5]"
    )
    assert outcome.status == 0
    model = build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "liif")
    for found, hr_size in zip(result(tmp_path), ((6, 5), (15, 12)), strict=True):
        macs, parameters = count_macs(model, (6, 5), hr_size), count_parameters(model)
        assert found.metrics["encoder_macs"] == macs.encoder
        assert found.metrics["decoder_macs"] == macs.decoder
        assert found.metrics["decoder_macs_as_run"] == macs.decoder_as_run
        assert found.metrics["decoder_parameters"] == parameters.decoder
        assert found.metrics["decoder_ms"] > 0
    assert "edsr-baseline-liif" in outcome.out


def test_a_checkpoint_without_latency(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    assert run("profile", f"ckpt={checkpoint}", "lr_size=[6,5]", "scale=2", "latency=false").status == 0
    (found,) = result(tmp_path)
    assert found.metrics["encoder_macs"] == count_macs(load(checkpoint), (6, 5), (12, 10)).encoder
    assert "decoder_ms" not in found.metrics


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("lr_size=180", "180 is no size: give height and width in pixels"),
        ("lr_size=[0,5]", "[0, 5] is no size"),
        ("lr_size=[1,2,3]", "[1, 2, 3] is no size"),
        ("scale=0.5", "scale 0.5 makes no picture larger"),
        ("decoder.width=-1", "decoder 'lm-liif' cannot be made with"),
    ],
)
def test_bad_arguments(run: Run, argument: str, told: str) -> None:
    outcome = run("profile", argument)
    assert outcome.status == 2
    assert told in outcome.error
