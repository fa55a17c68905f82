"""CMSR on the command line: calibrate, then evaluate by it and inspect; and what each refuses."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from command_line import Run

from lmf_sr.building import build
from lmf_sr.checkpoints import DEFAULT_MODEL, export, load
from lmf_sr.cmsr.calibration import Calibration
from lmf_sr.cmsr.table import Scale2Mod, fingerprint
from lmf_sr.images import Picture, read_picture, write_picture
from lmf_sr.results.records import read_record

SMALL = ("targets=[6,8]", "decode_scales=[1,4]", "device=cpu", "data=folder", "data.root=photos", "data.held_out=1")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path) -> Path:
    """Three pictures, of which one is held out from calibration."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate("abc"):
        rgb = torch.rand(3, 48, 56, generator=torch.Generator().manual_seed(seed))
        write_picture(folder / f"{name}.png", Picture(rgb))
    return folder


@pytest.fixture
def ckpt(tmp_path: Path, checkpoint: Path) -> Path:
    """A checkpoint with nothing beside it."""
    return Path(shutil.copy(checkpoint, tmp_path / "model.safetensors"))


def test_calibrate_writes_a_calibration_and_a_table(run: Run, tmp_path: Path, ckpt: Path) -> None:
    outcome = run("calibrate", f"ckpt={ckpt}", *SMALL, "cmsr.mse_threshold=1e-4")
    assert outcome.status == 0, outcome.err
    calibration = Calibration.load(tmp_path / "model.cmsr.json")
    assert calibration.images == ["a.png", "c.png"]
    assert calibration.fingerprint == fingerprint(load(ckpt))
    table = Scale2Mod.load(tmp_path / "model.cmsr-0.0001.yaml")
    assert table == calibration.table(1e-4, "overall")
    assert "model.cmsr-0.0001.yaml" in outcome.out


def test_evaluate_takes_the_table_of_any_threshold_from_it(run: Run, tmp_path: Path, ckpt: Path) -> None:
    assert run("calibrate", f"ckpt={ckpt}", *SMALL).status == 0
    evaluate = ("evaluate", f"ckpt={ckpt}", "data=pictures", "data.root=photos", "protocol=benchmark-rgb", "device=cpu")
    outcome = run(*evaluate, "-m", "scale=6,7.5", "cmsr.mse_threshold=1e-12,1.0", "cmsr.repeats=1")
    assert outcome.status == 0, outcome.err
    records = [read_record(path) for path in sorted(tmp_path.glob("multirun/evaluate/*/*/result.json"))]
    assert len(records) == 4
    assert {model for record in records for model in record.results} == {
        "edsr-baseline-lm-liif n_resblocks=1 n_feats=8 cmsr 1e-12",
        "edsr-baseline-lm-liif n_resblocks=1 n_feats=8 cmsr 1",
    }
    for record in records:
        ((result,),) = record.results.values()
        loose = record.configuration["cmsr"]["mse_threshold"] == 1.0
        assert (result.metrics["macs_saved"] > 0.2) == loose
        assert result.metrics["cmsr_mse"] <= record.configuration["cmsr"]["mse_threshold"]
        assert "time_saved" in result.metrics
        assert sum(value for name, value in result.metrics.items() if name.startswith("share_")) == pytest.approx(1)


@pytest.mark.parametrize("choice", ["cmsr.mse_threshold=1e-4", "cmsr=authors"])
def test_a_threshold_and_the_authors_table(run: Run, tmp_path: Path, ckpt: Path, choice: str) -> None:
    assert run("calibrate", f"ckpt={ckpt}", *SMALL).status == 0
    outcome = run(
        "evaluate", f"ckpt={ckpt}", "data=pictures", "data.root=photos", "scale=6", "protocol=benchmark", choice
    )
    assert outcome.status == 0, outcome.err
    assert "saved" in outcome.out


def test_calibrate_goes_on_where_it_was_interrupted(
    run: Run, tmp_path: Path, ckpt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, taken = Calibration.take, []

    def take_one(calibration: Calibration, *arguments: object) -> None:
        if taken:
            raise KeyboardInterrupt
        taken.append(take(calibration, *arguments))

    monkeypatch.setattr(Calibration, "take", take_one)
    outcome = run("calibrate", f"ckpt={ckpt}", *SMALL)
    assert outcome.status == 130
    assert "1 images are kept in" in outcome.err
    monkeypatch.setattr(Calibration, "take", take)
    assert run("calibrate", f"ckpt={ckpt}", *SMALL).status == 0
    resumed = (tmp_path / "model.cmsr.json").read_text()
    (tmp_path / "model.cmsr.json").unlink()
    assert run("calibrate", f"ckpt={ckpt}", *SMALL).status == 0
    assert json.loads((tmp_path / "model.cmsr.json").read_text()) == json.loads(resumed)


def test_a_shipped_model_keeps_its_calibration(
    run: Run, tmp_path: Path, ckpt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "weights"
    shipped.mkdir()
    ckpt.rename(shipped / f"{DEFAULT_MODEL}.safetensors")
    beside = shipped / f"{DEFAULT_MODEL}.cmsr.json"
    beside.write_text("shipped")
    monkeypatch.setattr("lmf_sr.checkpoints.WEIGHTS", shipped)
    outcome = run("calibrate", *SMALL, "hydra.run.dir=own")
    assert outcome.status == 0, outcome.err
    assert beside.read_text() == "shipped"
    made = tmp_path / "own" / beside.name
    assert Calibration.load(made).images == ["a.png", "c.png"]
    assert f"cmsr.table={made}" in outcome.out.replace("\n", "")
    evaluate = ("evaluate", "data=pictures", "data.root=photos", "scale=6", "protocol=benchmark-rgb", "cmsr.repeats=0")
    assert run(*evaluate, f"cmsr.table={made}").status == 0


def test_a_calibration_of_other_pictures_is_refused(run: Run, tmp_path: Path, ckpt: Path, photos: Path) -> None:
    assert run("calibrate", f"ckpt={ckpt}", *SMALL).status == 0
    (photos / "a.png").rename(photos / "d.png")
    assert "was begun on other images" in run("calibrate", f"ckpt={ckpt}", *SMALL).error


def test_a_calibration_of_other_weights_is_refused(run: Run, tmp_path: Path, ckpt: Path) -> None:
    assert run("calibrate", f"ckpt={ckpt}", *SMALL).status == 0
    torch.manual_seed(1)
    export(build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "lm-liif"), ckpt)
    assert "calibration of other weights" in run("calibrate", f"ckpt={ckpt}", *SMALL).error
    assert "made for weights" in run("evaluate", f"ckpt={ckpt}", "cmsr.mse_threshold=2e-5", "scale=6").error


def test_bad_requests_are_refused_in_a_sentence(run: Run, tmp_path: Path, ckpt: Path) -> None:
    assert "there is no calibration" in run("evaluate", f"ckpt={ckpt}", "cmsr.mse_threshold=2e-5", "scale=6").error
    assert "cannot read nowhere.yaml" in run("evaluate", f"ckpt={ckpt}", "cmsr.table=nowhere.yaml", "scale=6").error
    assert "target scale 3 needs no calibration" in run("calibrate", f"ckpt={ckpt}", *SMALL, "targets=[3]").error
    assert "cmsr.mse_threshold is missing" in run("calibrate", f"ckpt={ckpt}", *SMALL, "cmsr.mse_threshold=null").error
    assert "its suffix is .json" in run("calibrate", f"ckpt={ckpt}", *SMALL, "output=table.yaml").error
    assert run("calibrate", f"ckpt={ckpt}", *SMALL).status == 0
    other = (*SMALL[1:], "targets=[12]")
    assert "calibration for the targets" in run("calibrate", f"ckpt={ckpt}", *other).error
    assert (
        "there is no aggregation 'mean'"
        in run("evaluate", f"ckpt={ckpt}", "cmsr.mse_threshold=2e-5", "cmsr.aggregation=mean", "scale=6").error
    )


def test_calibrate_by_another_measure(run: Run, tmp_path: Path, ckpt: Path) -> None:
    outcome = run("calibrate", f"ckpt={ckpt}", *SMALL, "cmsr.measure=learnt")
    assert outcome.status == 0, outcome.err
    measure = Calibration.load(tmp_path / "model.cmsr.json").measure
    assert measure.name == "learnt"
    assert len(measure.weights) == 12  # of the scales and the shifts of six layers
    assert Scale2Mod.load(tmp_path / "model.cmsr-2e-05.yaml").measure == measure
    assert run("calibrate", f"ckpt={ckpt}", *SMALL, "cmsr.measure=learnt").status == 0  # nothing is left to do
    assert Calibration.load(tmp_path / "model.cmsr.json").measure == measure
    evaluate = ("evaluate", f"ckpt={ckpt}", "data=pictures", "data.root=photos", "scale=6", "cmsr.mse_threshold=1e-4")
    assert run(*evaluate, "cmsr.repeats=0").status == 0
    inspected = run("inspect", "photos/a.png", "--scale", "8", "--model", ckpt)
    assert inspected.status == 0, inspected.err
    assert "goes by the measure 'learnt', not 'paper'" in run("calibrate", f"ckpt={ckpt}", *SMALL).error
    assert "there is no measure 'size'" in run("calibrate", f"ckpt={ckpt}", *SMALL, "cmsr.measure=size").error


def test_a_base_method_has_nothing_to_calibrate(run: Run, tmp_path: Path) -> None:
    export(build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "liif"), tmp_path / "liif.safetensors")
    assert "decoder 'liif' has no modulations" in run("calibrate", "ckpt=liif.safetensors", *SMALL).error
    assert (
        "decoder 'liif' has no modulations" in run("evaluate", "ckpt=liif.safetensors", "cmsr=authors", "scale=6").error
    )


def test_inspect_draws_intensity_and_levels(run: Run, tmp_path: Path, ckpt: Path) -> None:
    inspect = ("inspect", "photos/a.png", "--scale", "8", "--model", ckpt)
    alone = run(*inspect)
    assert alone.status == 0, alone.err
    assert "levels" not in alone.out
    one = read_picture(tmp_path / "photos" / "a_x8_cmsr.png").rgb
    assert run("calibrate", f"ckpt={ckpt}", *SMALL).status == 0
    both = run(*inspect, "--mse-threshold", "1")
    assert both.status == 0, both.err
    assert "levels: x1 (" in both.out
    assert "of 448x384" in both.out
    two = read_picture(tmp_path / "photos" / "a_x8_cmsr.png").rgb
    assert two.shape[2] > 1.5 * one.shape[2]
    assert two.std() > 0.05
    assert run(*inspect, "--output", "map.jpg").status == 0
    assert read_picture(tmp_path / "map.jpg").rgb.shape == two.shape


def test_inspect_refuses(run: Run, tmp_path: Path, ckpt: Path) -> None:
    inspect = ("inspect", "photos/a.png", "--model", ckpt)
    assert "--scale 0.5" in run(*inspect, "--scale", "0.5").error
    assert "ends in .png" in run(*inspect, "--scale", "8", "--output", "map.txt").error
    assert "cannot read nowhere.json" in run(*inspect, "--scale", "8", "--table", "nowhere.json").error
    export(build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "liif"), tmp_path / "liif.safetensors")
    assert "no modulations" in run("inspect", "photos/a.png", "--model", "liif.safetensors", "--scale", "8").error
