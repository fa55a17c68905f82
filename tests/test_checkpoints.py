"""Files to models and back: our export, Lightning's checkpoints, the authors' format, and everything that is not one."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import lmf_sr
from lmf_sr.checkpoints import DEFAULT_MODEL, FORMAT, WEIGHTS, export, load, shipped_models
from lmf_sr.cmsr.calibration import Calibration
from lmf_sr.errors import InputError
from lmf_sr.model import Model

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def model() -> Model:
    return lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "lm-liif")


def same_weights(a: Model, b: Model) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_export_round_trip(model: Model, tmp_path: Path) -> None:
    export(model, tmp_path / "new" / "model.safetensors")
    again = load(tmp_path / "new" / "model.safetensors")
    assert same_weights(model, again)
    assert again.config == model.config
    assert not again.training
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["model.safetensors"]


def test_half_precision_exports_load_as_float32(model: Model, tmp_path: Path) -> None:
    export(model, tmp_path / "half.safetensors", dtype=torch.float16)
    again = load(tmp_path / "half.safetensors")
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert theirs.dtype == torch.float32
        assert torch.equal(ours.half().float(), theirs)


def test_an_import_of_the_authors_format_exports_the_same_pixels(tmp_path: Path) -> None:
    theirs = load(GOLDEN / "lmliif.pth")
    export(theirs, tmp_path / "ours.safetensors")
    lr = torch.rand(3, 6, 8)
    ours = load(tmp_path / "ours.safetensors")
    assert torch.equal(ours.encode(lr).render(13, 17), theirs.encode(lr).render(13, 17))
    with safe_open(tmp_path / "ours.safetensors", "pt") as file:
        assert json.loads(file.metadata()["config"])["decoder"]["name"] == "lm-liif"


def test_a_lightning_checkpoint(model: Model, tmp_path: Path) -> None:
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "hyper_parameters": {"model": model.config}}, tmp_path / "last.ckpt")
    assert same_weights(model, load(tmp_path / "last.ckpt"))


# By name


@pytest.fixture
def shipped(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships two models."""
    folder = tmp_path / "weights"
    for name in (DEFAULT_MODEL, "edsr-tiny-lm-liif"):
        export(model, folder / f"{name}.safetensors", dtype=torch.float16)
    monkeypatch.setattr("lmf_sr.checkpoints.WEIGHTS", folder)
    return folder


def test_shipped_models_are_loaded_by_name_from_anywhere(
    model: Model, shipped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped_models() == ["edsr-tiny-lm-liif", DEFAULT_MODEL]
    assert same_weights(lmf_sr.load("edsr-tiny-lm-liif"), load(shipped / "edsr-tiny-lm-liif.safetensors"))
    assert same_weights(lmf_sr.load(), lmf_sr.load(DEFAULT_MODEL))


def test_an_unknown_name_lists_what_ships(shipped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no shipped model of that name .shipped: edsr-tiny-lm-liif, {DEFAULT_MODEL}"):
        load("edsr-tiny-liif")
    monkeypatch.setattr("lmf_sr.checkpoints.WEIGHTS", tmp_path / "nothing")
    with pytest.raises(InputError, match=f"'{DEFAULT_MODEL}' and no shipped model of that name .shipped: none"):
        load()


@pytest.mark.parametrize("name", shipped_models() or [pytest.param("", marks=pytest.mark.skip("none ship yet"))])
def test_what_ships_is_whole(name: str) -> None:
    config = load(name).config
    assert name == f"{config['encoder']['name']}-{config['decoder']['name']}"
    assert (WEIGHTS / f"{name}.md").read_text().startswith(f"# {name}\n")
    if name.split("-")[-2] == "lm":
        Calibration.load(WEIGHTS / f"{name}.cmsr.json").table(2e-5).bound_to(load(name))


# Objects that are not a model


class Malice:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch i-was-here",)


def authors(**changes: Any) -> dict[str, Any]:
    content = torch.load(GOLDEN / "lmliif.pth", weights_only=True)
    content["model"].update(changes)
    return content


def test_a_missing_file() -> None:
    with pytest.raises(InputError, match=r"no checkpoint file 'nowhere.pth' and no shipped model"):
        load("nowhere.pth")


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Malice()}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"model": Malice()}, protocol=2))
    for name in ("zip.pth", "plain.pth"):
        with pytest.raises(InputError, match=r"refused: its pickle asks for \w+.system, .* write the weights alone"):
            load(tmp_path / name)
    assert not (tmp_path / "i-was-here").exists()


@pytest.mark.parametrize("name", ["junk.pth", "junk.ckpt", "junk.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", bytes(range(256)) * 40])
def test_junk(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        load(tmp_path / name)


@pytest.mark.parametrize("kind", ["lmliif.pth", "export.safetensors"])
def test_a_truncated_checkpoint(tmp_path: Path, model: Model, kind: str) -> None:
    whole = tmp_path / "export.safetensors"
    export(model, whole)
    if kind == "lmliif.pth":
        whole = GOLDEN / kind
    part = tmp_path / f"part-{kind}"
    part.write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(InputError, match="part-"):
        load(part)


@pytest.mark.parametrize(
    "best", [np.float64(31.5), np.float32(3), np.int64(7), np.bool_(True), np.zeros(3), np.str_("x")]
)
def test_numpys_numbers_beside_the_weights_are_no_code(tmp_path: Path, best: Any) -> None:
    torch.save({**authors(), "best_psnr": best}, tmp_path / "a.pth")
    assert same_weights(load(tmp_path / "a.pth"), load(GOLDEN / "lmliif.pth"))


def test_arrays_of_objects_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({**authors(), "best": np.array([Malice()], dtype=object)}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"refused|not a readable"):
        load(tmp_path / "a.pth")
    assert not (tmp_path / "i-was-here").exists()


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod."])
def test_wrappers_around_the_network(tmp_path: Path, model: Model, wrapper: str) -> None:
    content = authors()
    content["model"]["sd"] = {wrapper + name: value for name, value in content["model"]["sd"].items()}
    torch.save(content, tmp_path / "a.pth")
    assert same_weights(load(tmp_path / "a.pth"), load(GOLDEN / "lmliif.pth"))
    state = {f"model.{wrapper}{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "hyper_parameters": {"model": model.config}}, tmp_path / "last.ckpt")
    assert same_weights(load(tmp_path / "last.ckpt"), model)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    content = authors()
    del content["model"]["sd"]["imnet.layers.2.bias"]
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(
        InputError, match=r"does not fit lm-liif on edsr-baseline: it is missing .*render_mlp.layers.2.bias"
    ):
        load(tmp_path / "a.pth")


def test_unknown_weights_are_named(tmp_path: Path) -> None:
    content = authors()
    content["model"]["sd"]["imnet.extra"] = torch.zeros(1)
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"has the unknown decoder.render_mlp.extra"):
        load(tmp_path / "a.pth")


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_configuration_that_is_none(tmp_path: Path, model: Model, part: str) -> None:
    config = {**model.config, part: ["lm-liif"]}
    save_file(model.state_dict(), tmp_path / "a.safetensors", {"format": FORMAT, "config": json.dumps(config)})
    with pytest.raises(InputError, match=rf"no usable configuration: its {part} is \['lm-liif'\]"):
        load(tmp_path / "a.safetensors")


def test_weights_that_are_no_tensors_are_named(tmp_path: Path) -> None:
    content = authors()
    content["model"]["sd"]["imnet.layers.2.bias"] = "zero"
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"has the wrong shape for .*render_mlp.layers.2.bias"):
        load(tmp_path / "a.pth")


def test_weights_of_another_architecture_are_named(tmp_path: Path, model: Model) -> None:
    weights = model.state_dict()
    config = {**model.config, "encoder": {**model.config["encoder"], "n_feats": 16}}
    save_file(weights, tmp_path / "a.safetensors", {"format": FORMAT, "config": json.dumps(config)})
    with pytest.raises(InputError, match=r"has the wrong shape for .*encoder"):
        load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "metasr"}, "method 'metasr'; known are .*lmliif"),
        (
            {"args": {"encoder_spec": {"name": "edsr-baseline", "args": {}}}},
            "lacks 'imnet_q', which method 'lmliif' needs",
        ),
        ({"sd": {}}, "lacks 'hypernet.layers.2.weight', which method 'lmliif' needs"),
        ({"args": {"local_ensemble": False}}, "trained with local_ensemble=False; only True"),
        ({"args": {"encoder_spec": {"name": "vgg", "args": {}}, "imnet_spec": None}}, "lacks|no encoder"),
        ({"args": None}, "not in the authors' format"),
        (
            {"args": {"encoder_spec": [1], "imnet_q": {"args": {}}}},
            "describes method 'lmliif' in a way that makes no sense",
        ),
        ({"args": {"encoder_spec": {"name": "edsr-baseline"}, "imnet_q": {"args": [2]}}}, "makes no sense"),
    ],
)
def test_methods_that_are_not_ours(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    torch.save(authors(**change), tmp_path / "a.pth")
    with pytest.raises(InputError, match=message):
        load(tmp_path / "a.pth")


def test_a_safetensors_file_of_somebody_else(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="not exported by lmf-sr"):
        load(tmp_path / "a.safetensors")


def test_a_checkpoint_of_another_lightning_project(tmp_path: Path) -> None:
    torch.save({"state_dict": {"net.weight": torch.zeros(1)}, "hyper_parameters": {}}, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="not one of lmf-sr train"):
        load(tmp_path / "a.ckpt")


def test_weights_that_overflow_are_not_exported(model: Model, tmp_path: Path) -> None:
    with torch.no_grad():
        model.encoder.head.bias[0] = 1e5
    export(model, tmp_path / "single.safetensors")
    with pytest.raises(InputError, match=r"as torch.float16, encoder.head.bias would hold values that are not finite"):
        export(model, tmp_path / "half.safetensors", dtype=torch.float16)
    assert not (tmp_path / "half.safetensors").exists()


def test_a_failed_export_leaves_nothing(model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        export(model, tmp_path / "file" / "model.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
