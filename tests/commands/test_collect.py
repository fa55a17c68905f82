"""`lmf-sr collect`: a table on the terminal or in a file; what is left out is named."""

import csv
from pathlib import Path

import pytest
from command_line import Run

from lmf_sr.results.records import Record, Result, write_record


@pytest.fixture(autouse=True)
def runs(tmp_path: Path) -> Path:
    """Two seeds, a job that was killed, and a file of someone else's."""
    for seed, psnr in enumerate((30.0, 31.0)):
        begun = Record.begun("train", "seeds", f"seed-{seed}", {"seed": seed}, {})
        done = begun.ended("done", {"lm-liif": [Result(2.0, {"psnr": psnr}, "Set5", "benchmark")]})
        write_record(done, tmp_path / "runs" / f"seed-{seed}" / "result.json")
    write_record(
        Record.begun("train", "seeds", "seed-2", {"seed": 2}, {}), tmp_path / "runs" / "seed-2" / "result.json"
    )
    (tmp_path / "runs" / "foreign").mkdir()
    (tmp_path / "runs" / "foreign" / "result.json").write_text("[]")
    return tmp_path / "runs"


def test_a_table_on_the_terminal_and_what_is_left_out(run: Run) -> None:
    outcome = run("collect", "runs")
    assert outcome.status == 0
    assert "30.00" in outcome.out
    assert "31.00" in outcome.out
    assert "lmf-sr: left out: runs/seed-2 has no results (running)" in outcome.err
    assert "lmf-sr: left out: runs/foreign/result.json is not a result record" in outcome.err


def test_mean_and_spread_over_seeds(run: Run) -> None:
    assert "30.50 ± 0.71" in run("collect", "runs", "--seeds").out


def test_a_file(run: Run, tmp_path: Path) -> None:
    outcome = run("collect", "runs/seed-0", "runs/seed-1/result.json", "--output", "table.csv")
    assert outcome.out == "written: table.csv, 2 rows of 2 runs\n"
    with (tmp_path / "table.csv").open() as file:
        assert [row["run"] for row in csv.DictReader(file)] == ["runs/seed-0", "runs/seed-1"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "there is no folder nowhere to collect from"),
        (["runs", "--output", "table.txt"], "a table's suffix is .csv or .parquet"),
        (["runs/seed-2"], "none of the 1 runs has a result yet"),
    ],
)
def test_what_cannot_be_collected(run: Run, arguments: list[str], told: str) -> None:
    outcome = run("collect", *arguments)
    assert outcome.status == 2
    assert told in outcome.error
