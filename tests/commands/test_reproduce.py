"""`lmf-sr reproduce`: from training to report, in its smallest plan; nothing twice; what it lacks is said."""

import csv
from pathlib import Path

import pytest
from command_line import Run

from lmf_sr.commands.reproduce import PLACEHOLDERS


def cells(table: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    with table.open() as file:
        return {(line["block"], line["row"], line["scale"]): line for line in csv.DictReader(file)}


@pytest.mark.slow
def test_from_training_to_report_and_again_from_records_alone(run: Run, tmp_path: Path) -> None:
    command = ("reproduce", "plan=smoke", "--train", "logger=csv", "trainer.accelerator=cpu")
    outcome = run(*command)
    assert outcome.status == 0, outcome.err
    out = tmp_path / "reproduce" / "smoke"
    assert "benchmarks: left out, because it needs root=DATA, which was not given" in outcome.out
    quality = cells(out / "tables" / "T1.csv")
    for model in ("bicubic", "liif", "lm-liif"):
        for scale in ("4.0", "6.0"):
            assert float(quality["embedded-64: PSNR (dB)", model, scale]["mean"]) > 5
        assert quality["embedded-64: PSNR (dB)", model, "2.0"]["mean"] == ""
    threshold = cells(out / "tables" / "T4.csv")
    assert all(
        float(line["mean"]) > 5 for (block, _, scale), line in threshold.items() if "PSNR" in block and scale == "6.0"
    )
    assert {"width=8", "as in the paper"} == {row for _, row, _ in cells(out / "tables" / "T5.csv")}
    assert "<svg" in (out / "crops.svg").read_text()
    assert "<canvas" in (out / "live.html").read_text()
    assert "srcdoc=" in (out / "report.html").read_text()
    assert (out / "report.html").stat().st_size < 3_000_000

    written = {path: path.read_bytes() for path in out.rglob("*") if path.suffix in (".ckpt", ".json", ".html", ".csv")}
    again = run(*command)
    assert again.status == 0
    assert "goes on" not in again.out
    assert {path: path.read_bytes() for path in written} == written

    for path in (*out.rglob("*.ckpt"), *(out / "tables").iterdir()):
        path.unlink()
    assert run("report", out, "--title", "lmf-sr: smoke reproduction").status == 0
    assert {path: path.read_bytes() for path in written if path.suffix in (".html", ".csv")} == {
        path: content for path, content in written.items() if path.suffix in (".html", ".csv")
    }


@pytest.mark.parametrize("plan", ["demo", "bench", "paper", "smoke"])
def test_what_a_plan_would_run(run: Run, tmp_path: Path, plan: str) -> None:
    (tmp_path / "DATA" / "train" / "few").mkdir(parents=True)
    (tmp_path / "DATA" / "train" / "many").mkdir()
    (tmp_path / "DATA" / "benchmark").mkdir()
    for name in ("few/1.png", "many/1.png", "many/2.png"):
        (tmp_path / "DATA" / "train" / name).touch()
    outcome = run("reproduce", f"plan={plan}", "root=DATA", "seeds=0,1", "--dry-run")
    assert outcome.status == 0, outcome.err
    assert "seed=0,1" in outcome.out
    assert "evaluate -m ckpt=ALL data=benchmark" in outcome.out
    assert all(f"ckpt={name}" in outcome.out for name in PLACEHOLDERS)
    assert ("DATA/train/many" in outcome.out) == (plan == "bench")
    assert not (tmp_path / "reproduce").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plan=none"], "there is no plan 'none'; choose one of bench, demo, paper, smoke"),
        (["plan=bench"], "plan=bench needs photographs to train on"),
        (["plan=paper"], "plan=paper needs DIV2K"),
        (["root=nowhere"], "there is no folder nowhere"),
        (["plan=bench", "photos=nowhere"], "there is no folder nowhere: photos=FOLDER holds the photographs"),
        (["profile=demo"], "profile=demo is now called plan=demo"),
        (["speed=1"], "there is no option 'speed'"),
    ],
)
def test_what_makes_no_sense(run: Run, arguments: list[str], told: str) -> None:
    outcome = run("reproduce", *arguments)
    assert outcome.status == 2
    assert told in outcome.error
