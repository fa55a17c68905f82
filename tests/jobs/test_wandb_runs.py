"""The W&B runs of jobs that measure: found in the files that `wandb sync` would send."""

from pathlib import Path

import torch
from command_line import Run
from wandb_file import OfflineRun

from lmf_sr.images import Picture, write_picture


def test_evaluations_and_profiles_stand_beside_trainings(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    for name in ("Set5", "Set14"):
        write_picture(tmp_path / "sets" / name / "HR" / "a.png", Picture(torch.rand(3, 48, 60)))
    sets = ("data=benchmark", "data.root=sets", "logger=wandb", "sweep=scales")
    outcome = run("evaluate", "-m", f"ckpt={checkpoint}", "scale=[2,3],4", *sets)
    assert outcome.status == 0, outcome.err
    (log,) = tmp_path.glob("multirun/evaluate/scales/scale-_2_3*/wandb/offline-run-*/run-*.wandb")
    found = OfflineRun(log)
    assert found.closed
    assert found.group == "scales"
    assert found.name.startswith("scale-")
    assert found.configuration["encoder"]["n_feats"] == 8  # the checkpoint's
    rows = [row for row in found.history if "by_scale/scale" in row]
    assert [row["by_scale/scale"] for row in rows] == [2, 3]
    assert {"by_scale/Set5/psnr", "by_scale/Set14/ssim"} <= rows[0].keys()
    assert found.summary["Set5/psnr/x3"] == rows[1]["by_scale/Set5/psnr"]

    outcome = run("profile", f"ckpt={checkpoint}", "scale=2", "lr_size=[8,8]", "logger=wandb", "hydra.run.dir=costs")
    assert outcome.status == 0, outcome.err
    (log,) = tmp_path.glob("costs/wandb/offline-run-*/run-*.wandb")
    found = OfflineRun(log)
    assert (found.group, found.name) == ("", "edsr-baseline-lm-liif")
    assert found.summary["total_macs/x2"] == found.summary["encoder_macs/x2"] + found.summary["decoder_macs/x2"]
    assert found.summary["total_ms/x2"] > 0
