"""`make bench-gpu` ends within its time, keeps what it has measured, and fails for a wrong pixel; tried on a CPU."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from faulty_measurements import part
from torch import Tensor

from benchmarks.gpu import pixels
from benchmarks.gpu.__main__ import measure
from benchmarks.gpu.running import Case, Part, Row, Setup, run
from lmf_sr.rendering import triton

ROOT = Path(__file__).parents[2]
CPU = Setup("cpu", small=True)

needs_triton = pytest.mark.skipif(
    triton.triton_version() < triton.OLDEST_TRITON, reason="SKIPPED FOR LACK OF TRITON: pip install 'lmf-sr[gpu]'"
)


def rows_of(*parts: Part, seconds: float = 300) -> tuple[dict[Case, Row], list[Case]]:
    rows: dict[Case, Row] = {}
    left_out = run(parts, CPU, seconds, lambda part, case, row: rows.update({(part.name, *case): row}))
    return rows, left_out


@pytest.mark.parametrize("processes", [1, 3])
def test_what_goes_wrong_leaves_the_rest_standing(processes: int) -> None:
    cases = ("first", "wrong pixel", "second", "error", "third", "crash", "fourth", "exit", "fifth")
    rows, left_out = rows_of(part("one", *cases, processes=processes), part("two", "first"))
    assert not left_out
    assert rows.keys() == {*(("one", case) for case in cases), ("two", "first")}
    found = {case: rows["one", case] for case in cases}
    assert found["wrong pixel"]["wrong"] == "off by 2"
    assert found["error"]["failure"] == "ValueError: not today"
    assert "in measure" in found["error"]["trace"]
    assert found["crash"]["failure"] == "its process ended by signal 11"
    assert found["exit"]["failure"] == "its process ended with status 3"
    assert all(found[case]["value"] == 1 for case in ("first", "second", "third", "fourth", "fifth"))
    assert rows["two", "first"]["process"] != found["first"]["process"]


def test_the_time_limit_ends_a_part_and_names_what_is_left_out() -> None:
    begin = time.monotonic()
    rows, left_out = rows_of(part("endless", "no end", "after it"), part("next", "first", share=20), seconds=60)
    assert left_out == [("endless", "no end"), ("endless", "after it")]
    assert ("next", "first") in rows
    assert time.monotonic() - begin < 60  # while the endless one would have taken ten minutes


def test_where_no_time_is_left_every_case_is_left_out() -> None:
    assert rows_of(part("one", "first", "second"), part("two", "first"), seconds=0) == (
        {},
        [("one", "first"), ("one", "second"), ("two", "first")],
    )


def record() -> dict[str, Any]:
    return {
        "device": "a CPU",
        "date": "today",
        "command": "python -m benchmarks.gpu",
        "environment": {"revision": "0", "versions": {"torch": "2"}},
        "triton": "3",
        "cuda": None,
        "time_s": 60,
        "rows": [],
        "left_out": [],
    }


def test_a_wrong_pixel_fails_the_run_and_the_report_says_so_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def pixel_part(*cases: str) -> Part:
        return part("checks", *cases)

    assert measure([pixel_part("first")], CPU, 60, record(), tmp_path / "right") == 0
    assert measure([pixel_part("error", "first")], CPU, 60, record(), tmp_path / "failed") == 1
    assert measure([pixel_part("wrong pixel", "first")], CPU, 60, record(), tmp_path / "wrong") == 1
    written = json.loads((tmp_path / "wrong.json").read_text())
    assert [row["case"] for row in written["rows"]] == [["wrong pixel"], ["first"]]
    assert "WRONG PIXELS: wrong pixel: off by 2." in (tmp_path / "wrong.md").read_text()
    assert "FAILED: checks, error: ValueError: not today." in (tmp_path / "failed.md").read_text()


def test_results_are_written_after_each_measurement(tmp_path: Path) -> None:
    seen: list[int] = []

    class Watched(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            super().__setitem__(key, value)
            if key == "seconds" and (tmp_path / "gpu.json").exists():
                seen.append(len(json.loads((tmp_path / "gpu.json").read_text())["rows"]))

    measure([part("one", "first", "second", "third")], CPU, 60, Watched(record()), tmp_path / "gpu")
    assert seen == [0, 1, 2, 3]


@needs_triton
@pytest.mark.parametrize("way", [pixels.FULL, pixels.CHAINED])
def test_one_wrong_pixel_is_found(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    case: Case = ("lm-liif", "float32", way, pixels.CMSR_SCALE)
    assert "wrong" not in pixels.measure(CPU, case)
    launch = triton.launch

    def off_by_a_little(
        decoder: Any, latents: Tensor, cell: Tensor, lr: Tensor, grid: Any, out: Tensor, *rest: Any
    ) -> None:
        launch(decoder, latents, cell, lr, grid, out, *rest)
        if out.shape[-1] == round(pixels.CMSR_SCALE * lr.shape[-1]):
            out[0, 1, -1, -1] += 1e-3

    monkeypatch.setattr(triton, "launch", off_by_a_little)
    assert pixels.measure(CPU, case)["wrong"].startswith("the kernel is off by 1.0e-03")


@needs_triton
@pytest.mark.slow
def test_all_of_it_runs_on_a_cpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--small", "--output", str(tmp_path)]
    command += ["--minutes", "30"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("gpu-*.json")
    found = json.loads(file.read_text())
    assert not found["left_out"]
    parts = {row["part"] for row in found["rows"]}
    assert parts == {"ceilings", "pixels", "decoding", "encoding", "samples", "steps", "cmsr"}
    checks = [row for row in found["rows"] if row["part"] == "pixels"]
    assert {tuple(row["case"][:3]) for row in checks} == {
        (decoder, precision, way)
        for decoder in pixels.DECODERS
        for precision in pixels.PRECISIONS
        for way in (pixels.FULL, pixels.LEVELS, pixels.CHAINED)
    }
    (step,) = (row for row in found["rows"] if row["part"] == "steps")
    assert step["operations"] > 100
    assert step["waiting_steps"] == 1  # the one whose loss is logged
    text = file.with_suffix(".md").read_text()
    assert f"The pixels of the kernel are right in all {len(checks)} cases looked at." in text
    for title in ("Ceilings", "Pixels", "Decoding", "Encoding", "Training samples", "Training steps", "CMSR"):
        assert f"## {title}" in text


def test_without_a_gpu_one_sentence_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    from benchmarks.gpu.__main__ import main

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main(["--output", str(tmp_path)]) == 2
    assert "there is no CUDA GPU here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
