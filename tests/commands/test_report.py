"""`lmf-sr report`: from the records of any jobs."""

import json
from pathlib import Path

import torch
from command_line import Run

from lmf_sr.images import Picture, write_picture


def test_of_jobs_run_by_hand(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "photos" / "a.png", Picture(torch.rand(3, 48, 60)))
    photos = ("data=pictures", "data.root=photos", "hydra.sweep.dir=jobs")
    assert run("evaluate", "-m", f"ckpt=bicubic,{checkpoint}", "scale=2", *photos).status == 0
    outcome = run("report", "jobs", "--output", "report", "--title", "Mine")
    assert outcome.status == 0, outcome.err
    psnr = {
        next(iter(record["results"])): record["results"][next(iter(record["results"]))][0]["metrics"]["psnr"]
        for record in (json.loads(path.read_text()) for path in tmp_path.glob("jobs/*/result.json"))
    }
    table = (tmp_path / "report" / "tables" / "T1.md").read_text()
    (line,) = (line for line in table.splitlines() if line.startswith("| bicubic"))
    assert line.split("|")[2].strip() == f"{psnr['bicubic']:.2f}"
    assert f"{psnr['edsr-baseline-lm-liif n_resblocks=1 n_feats=8']:.2f}" in table
    assert "<h1>Mine</h1>" in (tmp_path / "report" / "report.html").read_text()


def test_a_folder_without_records(run: Run, tmp_path: Path) -> None:
    outcome = run("report", tmp_path)
    assert outcome.status == 2
    assert "no job below" in outcome.error
    assert run("report", "nowhere").status == 2
