"""The share that CMSR would save is logged per scale on a trainer run."""

from collections.abc import Callable

import pytest
from lightning.pytorch import Trainer
from tiny_training import learner, tiny_data, tiny_model

from lmf_sr.building import build
from lmf_sr.training.callbacks import Cmsr

MakeTrainer = Callable[..., Trainer]


def logged(trainer: Trainer) -> dict[str, float]:
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


def test_savings_are_logged_at_scales_above_4(trainer: MakeTrainer) -> None:
    """Everything that calibration has seen is rendered at x1 if nothing exceeds the threshold."""
    run = trainer(1, "run", Cmsr(mse_threshold=10.0, aggregation="minimum", images=2, decode_scales=[1.0, 2.0]))
    run.validate(learner(tiny_model()), tiny_data(scales=(2.0, 5.0)), verbose=False)
    found = logged(run)
    assert not [name for name in found if name.endswith("/x2") and name.startswith(("cmsr", "share", "macs"))]
    assert found["share_x1/x5"] > 0.5
    assert found["share_x1/x5"] + found["share_full/x5"] == pytest.approx(1)
    assert found["macs_saved/x5"] > 0
    assert 0 < found["cmsr_mse/x5"] < 10
    assert found["cmsr_psnr/x5"] > 0
    assert found["time_saved/x5"] < 1


def test_each_validation_calibrates_the_weights_as_they_are(trainer: MakeTrainer) -> None:
    """A table of earlier weights would be refused."""
    run = trainer(2, "run", Cmsr(mse_threshold=1e-4, images=1, decode_scales=[1.0], repeats=0), val_check_interval=1)
    run.fit(learner(), tiny_data(scales=(5.0,)))
    assert "cmsr_mse/x5" in logged(run)
    assert "time_saved/x5" not in logged(run)


def test_a_base_method_has_nothing_to_log(trainer: MakeTrainer) -> None:
    model = build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, {"name": "liif", "width": 8, "depth": 1})
    run = trainer(1, "run", Cmsr(images=1))
    run.validate(learner(model), tiny_data(scales=(5.0,)), verbose=False)
    assert not [name for name in logged(run) if "cmsr" in name]
