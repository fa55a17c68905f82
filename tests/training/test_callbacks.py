"""The callbacks log their values per scale, on any trainer run."""

import csv
import itertools
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from tiny_training import Photographs, learner, noise, tiny_data, tiny_model

from lmf_sr.building import build
from lmf_sr.errors import InputError
from lmf_sr.evaluation.metrics import BENCHMARK, DIV2K, EvaluationProtocol, psnr
from lmf_sr.images import resize_pillow
from lmf_sr.model import Model
from lmf_sr.training.callbacks import LastCheckpoint, Latency, Macs, Psnr
from lmf_sr.training.callbacks.crops import comparison

MakeTrainer = Callable[..., Trainer]


def expected(model: Model, scale: float, protocol: EvaluationProtocol) -> float:
    scores = []
    for pair in Photographs().validation().pairs(scale):
        sr = model.encode(pair.lr_picture).render(*pair.hr.shape[1:])[0]
        scores.append(psnr(sr, pair.hr_picture, scale, protocol))
    return sum(scores) / len(scores)


def logged(trainer: Trainer) -> dict[str, float]:
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


def test_psnr_is_the_mean_over_images_by_the_protocol_of_the_data(trainer: MakeTrainer) -> None:
    module = learner()
    run = trainer(3)
    run.fit(module, tiny_data(scales=(2.0, 2.7)))
    model = module.model.eval()
    scores = {f"psnr/x{scale:g}": expected(model, scale, BENCHMARK) for scale in (2.0, 2.7)}
    scores["psnr/mean"] = sum(scores.values()) / 2
    assert {name: logged(run)[name] for name in scores} == pytest.approx(scores, rel=1e-5)


def test_an_image_that_is_reproduced_exactly_leaves_the_mean_finite(
    trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmf_sr.training.callbacks.psnr.psnr", lambda *_: math.inf)
    run = trainer(1)
    run.callbacks = [Psnr()]
    run.validate(learner(), tiny_data(scales=(1.5,)), verbose=False)
    assert logged(run)["psnr/mean"] == 100


def test_psnr_by_another_protocol_and_without_training(trainer: MakeTrainer) -> None:
    model = tiny_model()
    run = trainer(1)
    run.callbacks = [Psnr("div2k")]
    run.validate(learner(model), tiny_data(scales=(1.5,)), verbose=False)
    assert logged(run)["psnr/x1.5"] == pytest.approx(expected(model.eval(), 1.5, DIV2K), rel=1e-5)


def test_every_validation_is_a_row_of_the_csv(trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer(5, "run", val_check_interval=2).fit(learner(), tiny_data())
    with (tmp_path / "run" / "logs" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows if row["psnr/x2.7"]] == [1, 3, 4]
    assert len([row for row in rows if row["loss"]]) == 5


@pytest.mark.parametrize(("decoder", "macs"), [("liif", 318.74e9), ("lm-liif", 10.94e9)])
def test_macs_are_those_of_the_closed_form(trainer: MakeTrainer, decoder: str, macs: float) -> None:
    model = build({"name": "edsr-baseline", "n_resblocks": 1}, decoder)
    run = trainer(1, "run", Macs(lr_size=[180, 320]))
    run.validate(learner(model), tiny_data(scales=(2.0,)), verbose=False)
    found = logged(run)
    assert found["decoder_macs/x2"] == pytest.approx(macs, abs=0.01e9)
    convolutions = 9 * (3 * 64 + 3 * 64 * 64)
    assert found["encoder_macs/x2"] == pytest.approx(convolutions * 180 * 320)
    assert found["total_macs/x2"] == pytest.approx(found["encoder_macs/x2"] + found["decoder_macs/x2"])
    assert 0 < found["decoder_macs_as_run/x2"] < found["decoder_macs/x2"]


def test_costs_are_found_once_and_logged_at_each_validation(trainer: MakeTrainer, tmp_path: Path) -> None:
    latency = Latency(lr_size=[12, 16])
    calls: list[Any] = []
    find = latency.find
    latency.find = lambda *arguments: calls.append(arguments[1:]) or find(*arguments)  # type: ignore[method-assign]
    run = trainer(4, "run", latency, val_check_interval=2)
    run.fit(learner(), tiny_data(scales=(2.0, 2.7)))
    assert calls == [((12, 16), (24, 32)), ((12, 16), (32, 43))]
    found = logged(run)
    for scale in ("x2", "x2.7"):
        parts = [found[f"{part}_ms/{scale}"] for part in ("encoder", "decoder")]
        assert all(part > 0 for part in parts)
        assert found[f"total_ms/{scale}"] == pytest.approx(sum(parts))
    with (tmp_path / "run" / "logs" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["total_ms/x2"]]
    assert len(rows) == 2
    assert rows[0]["total_ms/x2"] == rows[1]["total_ms/x2"]


def test_costs_leave_training_as_it_was(trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer(4, "with", Macs(lr_size=[8, 8]), Latency(lr_size=[8, 8]), val_check_interval=2).fit(learner(), tiny_data())
    trainer(4, "without", val_check_interval=2).fit(learner(), tiny_data())
    ours, theirs = (torch.load(tmp_path / n / "last.ckpt", weights_only=True) for n in ("with", "without"))
    assert all(torch.equal(ours["state_dict"][name], theirs["state_dict"][name]) for name in theirs["state_dict"])


def test_a_comparison_shows_the_middle_of_lr_bicubic_sr_hr_and_error() -> None:
    lr, sr, hr = noise(0, 10, 15), noise(1, 20, 30), noise(2, 20, 30)
    small, bicubic, ours, truth, error = comparison(lr, sr, hr, side=8)
    middle = (slice(None), slice(6, 14), slice(11, 19))
    assert torch.equal(small, lr[:, 3:7, 5:9])
    assert torch.equal(bicubic, resize_pillow(lr, 20, 30)[middle])
    assert torch.equal(ours, sr[middle])
    assert torch.equal(truth, hr[middle])
    assert torch.equal(error, (4 * (sr.int() - hr.int()).abs())[middle].clamp(max=255).byte())
    assert [picture.shape[1:] for picture in comparison(lr, sr, hr, side=100)] == [(10, 15)] + 4 * [(20, 30)]


@pytest.mark.parametrize(
    ("scales", "told"),
    [
        ((2.0, 10.0), "validation image valid0: an image of 20 x 30 pixels has nothing left to compare after protocol"),
        ((2.0, 9.0), "validation image valid0: SSIM needs 11 x 11 pixels, but protocol 'benchmark' leaves 9 x 9"),
        ((29.0,), "valid0 is 28 x 32 pixels, which leaves nothing at scale 29"),
    ],
)
def test_validation_images_too_small_for_a_scale_end_the_run_before_its_first_step(
    trainer: MakeTrainer, scales: tuple[float, ...], told: str
) -> None:
    trainer_ = trainer(3)
    with pytest.raises(InputError, match=told):
        trainer_.fit(learner(), tiny_data(scales))
    assert trainer_.global_step == 0


def test_the_last_checkpoint_is_also_written_between_validations_and_resumes_exactly(
    trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 20)  # seconds: it is looked at after each step and each file
    monkeypatch.setattr("lmf_sr.training.callbacks.last.monotonic", lambda: next(clock))
    file, copy, kept = tmp_path / "run" / "last.ckpt", tmp_path / "copy.ckpt", []

    class Watch(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            kept.append(torch.load(file, weights_only=True)["global_step"] if file.exists() else None)
            if kept[-1] == 3:
                shutil.copy(file, copy)

    straight, resumed = learner(), learner()
    run = trainer(8, "run", Watch())
    for callback in run.callbacks:
        if isinstance(callback, LastCheckpoint):
            callback.minutes = 1
    run.fit(straight, tiny_data())
    assert kept == [None, None, None, 3, 3, 3, 6, 6]
    trainer(8, "resumed").fit(resumed, tiny_data(), ckpt_path=copy, weights_only=True)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))
