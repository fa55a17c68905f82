"""`lmf-sr export MODEL model.onnx`, the verb (`test_onnx.py` has the graphs)."""

from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from command_line import Run

import lmf_sr
from lmf_sr.cmsr.table import fingerprint
from lmf_sr.commands import export

onnxruntime = pytest.importorskip("onnxruntime", reason="SKIPPED: onnxruntime is not installed, pip install -e .[onnx]")


def test_a_shipped_model_becomes_a_graph_that_says_what_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    jaxtyping.config.update("jaxtyping_disable", True)  # tracing hands functions symbolic numbers
    try:
        outcome = run("export", "edsr-tiny-lm-liif", "made/model.onnx")
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    assert (outcome.status, outcome.out.partition(" (")[0]) == (0, f"written: {Path('made/model.onnx')}")
    session = onnxruntime.InferenceSession("made/model.onnx", providers=["CPUExecutionProvider"])
    about, model = session.get_modelmeta().custom_metadata_map, lmf_sr.load("edsr-tiny-lm-liif")
    assert about["model"] == "edsr-tiny-lm-liif"
    assert about["revision"] == fingerprint(model)
    assert about["licence"].startswith("Apache-2.0")
    picture = torch.rand(1, 3, 17, 23)
    inputs = {"picture": picture.numpy(), "height": np.array(46), "width": np.array(62)}
    error = session.run(["upscaled"], inputs)[0] - model.encode(picture).render(46, 62).numpy()
    assert np.abs(error).max() < 1e-4


def test_what_is_missing_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "NEEDED", ("onnx", "a_package_that_is_not_there"))
    outcome = run("export", "edsr-tiny-lm-liif", "model.onnx")
    assert outcome.status == 2
    assert "a_package_that_is_not_there" in outcome.err
    assert "pip install 'lmf-sr[onnx]'" in outcome.err


def test_a_model_that_is_not_there_and_a_suffix_that_is_unknown(run: Run) -> None:
    assert "no checkpoint file 'nothing'" in run("export", "nothing", "model.onnx").err
    assert "its suffix must be one of .html, .onnx" in run("export", "edsr-tiny-lm-liif", "model.tflite").err
