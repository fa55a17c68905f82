"""The W&B runs of jobs that measure: found in the files that `wandb sync` would send."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import wandb
from command_line import Run
from wandb_file import the_run_in

from lmf_sr.images import Picture, write_picture
from lmf_sr.results.records import read_record

TINY = (
    *("encoder.n_resblocks=1", "encoder.n_feats=8", "decoder.depth=2", "decoder.width=4", "decoder.code_dim=4"),
    *("data.window=48", "sampling.patch=8", "sampling.queries=32", "batch_size=4", "workers=0", "scale=2"),
    *("lr_size=[8,8]", "trainer.accelerator=cpu"),
)


def test_evaluations_and_profiles_stand_beside_trainings(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    for name in ("Set5", "Set14"):
        write_picture(tmp_path / "sets" / name / "HR" / "a.png", Picture(torch.rand(3, 48, 60)))
    sets = ("data=benchmark", "data.root=sets", "logger=wandb", "sweep=scales")
    outcome = run("evaluate", "-m", f"ckpt={checkpoint}", "scale=[2,3],4", *sets)
    assert outcome.status == 0, outcome.err
    (folder,) = tmp_path.glob("multirun/evaluate/scales/scale-_2_3*")
    found = the_run_in(folder)
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
    found = the_run_in(tmp_path / "costs")
    assert (found.group, found.name) == ("", "edsr-baseline-lm-liif n_resblocks=1 n_feats=8")
    assert found.summary["total_macs/x2"] == found.summary["encoder_macs/x2"] + found.summary["decoder_macs/x2"]
    assert found.summary["total_ms/x2"] > 0


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """W&B online, where there is neither a key nor, once a key is given, a network."""
    monkeypatch.setenv("HOME", str(tmp_path))  # it may hold a key
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "1")
    wandb.teardown()  # it reads the environment once in a process
    yield
    wandb.teardown()


PROFILE = ("profile", "scale=2", "lr_size=[8,8]", "latency=false", "logger=wandb", "hydra.run.dir=mine")


@pytest.mark.parametrize(
    ("key", "told"), [(None, "W&B cannot be used (No API key configured"), ("a" * 40, "connection refused")]
)
def test_where_wandb_cannot_be_reached_a_warning_says_so_and_the_run_is_kept_offline(
    run: Run,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    online: None,
    key: str | None,
    told: str,
) -> None:
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    outcome = run(*PROFILE, f"ckpt={checkpoint}")
    assert outcome.status == 0, outcome.err
    assert told in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.err.count("lmf-sr: warning: ") == 1
    record = read_record(tmp_path / "mine" / "result.json")
    assert record.status == "done"
    assert record.results
    assert the_run_in(tmp_path / "mine").summary["total_macs/x2"] > 0


def test_a_training_does_not_need_wandb(run: Run, tmp_path: Path, online: None) -> None:
    outcome = run("train", *TINY, "logger=wandb", "trainer.max_steps=2", "hydra.run.dir=mine")
    assert outcome.status == 0, outcome.err
    assert "the run is kept offline" in outcome.err
    assert read_record(tmp_path / "mine" / "result.json").status == "done"


def test_a_server_s_error_after_measuring_loses_nothing(
    run: Run, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise wandb.errors.CommError("500 Internal Server Error")

    monkeypatch.setattr("lmf_sr.tracking.log_results", refuse)
    outcome = run(*PROFILE, f"ckpt={checkpoint}")
    assert outcome.status == 0, outcome.err
    assert "warning: W&B failed (500 Internal Server Error); the results are safe in" in outcome.err
    assert read_record(tmp_path / "mine" / "result.json").results
    assert wandb.run is None


def ids(folder: Path) -> list[str]:
    """The ids of the W&B runs in a folder, as they were begun."""
    logs = sorted(folder.glob("wandb/offline-run-*"), key=lambda log: log.stat().st_mtime_ns)
    return [log.name.rpartition("-")[2] for log in logs]


def test_a_resumed_training_goes_on_in_its_own_run(run: Run, tmp_path: Path) -> None:
    train = ("train", *TINY, "logger=wandb")
    for steps, folder, checkpoint in ((2, "first", ()), (4, "first", "first"), (6, "second", "first")):
        resumed = (f"ckpt={checkpoint}/last.ckpt",) if checkpoint else ()
        outcome = run(*train, *resumed, f"trainer.max_steps={steps}", f"hydra.run.dir={folder}")
        assert outcome.status == 0, outcome.err
    first = ids(tmp_path / "first")
    assert len(first) >= 1
    assert {*first, *ids(tmp_path / "second")} == {first[0]}
    assert run("profile", "ckpt=first/last.ckpt", *PROFILE[1:-1], "hydra.run.dir=costs").status == 0
    assert ids(tmp_path / "costs") != first[:1]


def test_the_jobs_of_a_sweep_are_never_one_run(
    run: Run, tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "given")
    assert run(*PROFILE, f"ckpt={checkpoint}").status == 0
    assert ids(tmp_path / "mine") == ["given"]
    outcome = run("profile", "-m", *PROFILE[2:-1], f"ckpt={checkpoint}", "scale=2,3", "sweep=two")
    assert outcome.status == 0, outcome.err
    found = [*ids(tmp_path / "multirun/profile/two/scale-2"), *ids(tmp_path / "multirun/profile/two/scale-3")]
    assert len({*found, "given"}) == 3
