"""Sweeps that survive: what is done is not done twice, what failed or was killed runs again, and the tables are the same."""

import csv
import hashlib
import os
import resource
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
import torch
from command_line import Run

from lmf_sr.checkpoints import checkpoint_file, load
from lmf_sr.commands.main import main
from lmf_sr.images import Picture, write_picture
from lmf_sr.results.records import Record, read_record, write_record

TINY = (
    *("encoder.n_resblocks=1", "encoder.n_feats=4", "decoder.depth=2", "decoder.width=4", "decoder.code_dim=4"),
    *("data=folder", "data.root=photos", "data.held_out=1", "sampling.patch=8", "sampling.queries=32"),
    *("batch_size=2", "workers=0", "scale=2", "lr_size=[8,8]", "trainer.accelerator=cpu", "logger=csv"),
)
MODEL = "edsr-baseline-lm-liif n_resblocks=1 n_feats=4 depth=2 width=4 code_dim=4"
STEPS = 16  # some more after the first checkpoint, so that a run is killed before its last
TRAIN = ("train", "-m", *TINY, f"trainer.max_steps={STEPS}", "trainer.val_check_interval=4", "seed=0,1")
EVALUATE = ("evaluate", "-m", "ckpt=bicubic", "data=pictures", "data.root=photos", "scale=2,3")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        rgb = torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(seed))
        write_picture(tmp_path / "photos" / f"{seed}.png", Picture(rgb))
    return tmp_path / "photos"


def records(sweep: Path) -> dict[str, Record]:
    return {record.name: record for record in map(read_record, sorted(sweep.glob("*/result.json")))}


def start(arguments: tuple[str, ...], largest_file: int = resource.RLIM_INFINITY) -> int:
    """Runs the command line in a process of its own, which cannot write larger files; returns its id."""
    process = os.fork()
    if process == 0:
        torch.set_num_threads(1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
        os._exit(main(arguments))
    return process


def kill(arguments: tuple[str, ...], moment: Callable[[], bool]) -> None:
    """Runs the command line in a process of its own, and kills it as soon as `moment` has come."""
    process = start(arguments)
    deadline = time.monotonic() + 120
    while not moment() and time.monotonic() < deadline:
        assert os.waitpid(process, os.WNOHANG) == (0, 0), "it ended before it could be killed"
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def test_a_sweep_that_was_killed_at_any_moment_gives_the_tables_of_one_that_was_not(run: Run, tmp_path: Path) -> None:
    assert run(*TRAIN, "sweep=straight").status == 0
    sweep, straight = (tmp_path / "multirun" / "train" / name for name in ("killed", "straight"))
    first, second = sweep / "seed-0", sweep / "seed-1"
    kill((*TRAIN, "sweep=killed"), (first / "last.ckpt").exists)
    assert records(sweep)["seed-0"].status == "running"
    step = torch.load(first / "last.ckpt", weights_only=True)["global_step"]
    assert 0 < step < STEPS
    kill((*TRAIN, "sweep=killed"), (second / "result.json").exists)
    assert {name: record.status for name, record in records(sweep).items()} == {"seed-0": "done", "seed-1": "running"}

    outcome = run(*TRAIN, "sweep=killed")
    assert outcome.status == 0, outcome.err
    assert f"seed-0: done already, see {first / 'result.json'}" in outcome.out
    assert "seed-1: again, since it was killed" in outcome.out
    for name, record in records(straight).items():
        again = records(sweep)[name]
        assert again.status == "done"
        (found,), (expected,) = ([r for r in x.results[MODEL] if r.set] for x in (again, record))
        assert found == expected
        weights = zip(*(load(folder / name / "last.ckpt").parameters() for folder in (sweep, straight)), strict=True)
        assert all(torch.equal(a, b) for a, b in weights)


def test_a_disk_that_fills_up_costs_no_checkpoint(run: Run, tmp_path: Path) -> None:
    command = (*TRAIN, "sweep=full")
    checkpoint = tmp_path / "multirun" / "train" / "full" / "seed-0" / "last.ckpt"
    kill(command, checkpoint.exists)
    before = checkpoint.read_bytes()
    step = torch.load(checkpoint, weights_only=True)["global_step"]
    assert 0 < step < STEPS

    process = start(command, largest_file=len(before) // 2)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    record = records(checkpoint.parents[1])["seed-0"]
    assert record.status == "failed"
    assert record.error == f"cannot write {checkpoint.with_name('best.ckpt')}: File too large"
    assert checkpoint.read_bytes() == before
    assert not [*checkpoint.parent.glob(".*.partial")]

    outcome = run(*command)
    assert outcome.status == 0, outcome.err
    assert f"goes on from last.ckpt, since it failed ({record.error})" in outcome.out
    with max(checkpoint.parent.glob("logs/version_*/metrics.csv")).open() as file:
        assert min(int(line["step"]) for line in csv.DictReader(file)) >= step  # nothing was trained twice
    assert torch.load(checkpoint, weights_only=True)["global_step"] == STEPS


def test_a_run_killed_between_its_last_step_and_its_record_is_only_recorded(run: Run, tmp_path: Path) -> None:
    train = ("train", *TINY, "trainer.max_steps=2", "hydra.run.dir=mine")
    assert run(*train).status == 0
    done = read_record(tmp_path / "mine" / "result.json")
    write_record(Record(**{**vars(done), "status": "running", "results": {}}), tmp_path / "mine" / "result.json")
    weights = (tmp_path / "mine" / "last.ckpt").read_bytes()
    assert run(*train).status == 0
    (found, *_), (expected, *_) = (
        record.results[MODEL] for record in (read_record(tmp_path / "mine" / "result.json"), done)
    )
    assert found == expected
    assert (tmp_path / "mine" / "last.ckpt").read_bytes() == weights


def test_the_same_command_finds_its_sweep_again_and_does_what_is_new(run: Run, tmp_path: Path) -> None:
    assert run(*EVALUATE).status == 0
    before = {path: path.read_bytes() for path in tmp_path.glob("multirun/evaluate/*/*/result.json")}
    assert len(before) == 2
    outcome = run("evaluate", *reversed(EVALUATE[2:]), "-m")
    assert outcome.status == 0
    assert outcome.out.count("done already") == 2
    assert {path: path.read_bytes() for path in before} == before
    assert len([*tmp_path.glob("multirun/evaluate/*")]) == 1


def test_a_named_sweep_can_grow(run: Run, tmp_path: Path) -> None:
    assert run(*EVALUATE, "sweep=scales").status == 0
    outcome = run(*EVALUATE[:-1], "scale=2,3,4", "sweep=scales")
    assert outcome.status == 0
    assert outcome.out.count("done already") == 2
    assert set(records(tmp_path / "multirun" / "evaluate" / "scales")) == {"scale-2", "scale-3", "scale-4"}


def test_a_sweep_is_not_mixed_with_another_of_its_name(run: Run, tmp_path: Path) -> None:
    assert run(*EVALUATE, "sweep=scales").status == 0
    outcome = run(*EVALUATE, "protocol=benchmark", "sweep=scales")
    assert outcome.status == 2
    assert "(protocol: None there, benchmark here): take another folder" in outcome.error
    assert {r.configuration["protocol"] for r in records(tmp_path / "multirun" / "evaluate" / "scales").values()} == {
        None
    }


def test_jobs_that_failed_and_jobs_that_are_refused_are_all_named(run: Run, tmp_path: Path) -> None:
    assert run(*EVALUATE, "sweep=scales").status == 0
    outcome = run(*EVALUATE[:-1], "scale=0.5,2,3", "protocol=benchmark", "sweep=scales")
    assert outcome.status == 2
    assert "lmf-sr: scale-0.5: scale 0.5 makes no picture larger" in outcome.err
    sweep = tmp_path / "multirun" / "evaluate" / "scales"
    for name in ("scale-2", "scale-3"):
        assert f"lmf-sr: {name}: not begun: {sweep / name} already holds a result" in outcome.err
    assert "1 of the sweep's jobs failed, named above" in outcome.error
    assert f"besides, {sweep / 'scale-2'} already holds a result of another configuration" in outcome.error


def test_a_job_that_fails_where_the_clock_is_slow_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) - timedelta(hours=1)

    monkeypatch.setattr("lmf_sr.results.records.datetime", Slow)
    outcome = run(*EVALUATE[:-1], "scale=0.5,2", "sweep=mine")
    assert outcome.status == 2
    assert "1 of the sweep's jobs failed" in outcome.error
    assert run(*EVALUATE[:-1], "scale=2,3", "sweep=mine").status == 0  # the failed one is not of this command


def test_what_failed_runs_again_and_the_rest_does_not(run: Run, tmp_path: Path, photos: Path) -> None:
    whole = (photos / "1.png").read_bytes()
    (photos / "1.png").write_bytes(whole[:300])
    outcome = run(*EVALUATE)
    assert outcome.status == 2
    assert "2 of the sweep's jobs failed" in outcome.error
    assert "lmf-sr: scale-2: 1 evaluations of images failed" in outcome.err
    (photos / "1.png").write_bytes(whole)
    outcome = run(*EVALUATE)
    assert outcome.status == 0
    assert "scale-3: again, since it failed (1 evaluations of images failed" in outcome.out


def test_a_result_is_made_again_where_the_checkpoint_has_changed(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(checkpoint.read_bytes())
    profile = ("profile", "ckpt=model.safetensors", "scale=2", "lr_size=[4,4]", "latency=false", "hydra.run.dir=mine")
    assert run(*profile).status == 0
    assert "done already" in run(*profile).out
    content = bytearray(checkpoint.read_bytes())
    content[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(content)
    outcome = run(*profile)
    assert outcome.status == 0
    assert "mine: again, since model.safetensors changed" in outcome.out


def test_what_no_user_can_mend_is_recorded_and_the_sweep_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("lmf_sr.commands.evaluate._upscaler", broken)
    outcome = run(*EVALUATE, "sweep=broken")
    assert outcome.status == 2
    assert "2 of the sweep's jobs failed" in outcome.err
    assert outcome.err.count("Traceback") >= 2
    assert {r.error for r in records(tmp_path / "multirun" / "evaluate" / "broken").values()} == {"RuntimeError: a bug"}
    with pytest.raises(RuntimeError, match="a bug"):
        run("evaluate", "ckpt=bicubic", "hydra.run.dir=mine")
    assert read_record(tmp_path / "mine" / "result.json").status == "failed"


def test_an_interrupted_sweep_stops_and_says_so_in_its_record(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt("1 image is done")

    with monkeypatch.context() as patched:
        patched.setattr("lmf_sr.commands.evaluate._upscaler", interrupted)
        assert run(*EVALUATE, "sweep=mine").status == 130
    (record,) = records(tmp_path / "multirun" / "evaluate" / "mine").values()
    assert (record.status, record.error) == ("interrupted", "1 image is done")
    assert "scale-2: again, since it was interrupted" in run(*EVALUATE, "sweep=mine").out


def test_a_folder_in_use_is_left_alone(run: Run, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "mine").mkdir()
    holder = os.fork()
    if holder == 0:
        with (tmp_path / "mine" / ".lock").open("w") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            file.write("4711")
            file.flush()
            time.sleep(60)
        os._exit(0)
    try:
        while not (tmp_path / "mine" / ".lock").exists() or not (tmp_path / "mine" / ".lock").read_text():
            time.sleep(0.01)
        outcome = run("evaluate", "ckpt=bicubic", "data=pictures", "data.root=photos", "hydra.run.dir=mine")
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
    assert outcome.status == 2
    assert "mine is in use by process 4711" in outcome.error
    assert not (tmp_path / "mine" / "result.json").exists()


PROFILE = ("profile", "encoder.n_resblocks=1", "encoder.n_feats=4", "scale=2", "lr_size=[4,4]", "latency=false")


def test_only_what_is_named_as_an_input_is_hashed(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    for name in ("edsr-baseline", "lm-liif", "auto", "mine", "benchmark"):
        (tmp_path / name).write_text("a file that happens to have the name of a choice")
    assert run(*PROFILE, "hydra.run.dir=fresh", "sweep=mine").status == 0
    assert read_record(tmp_path / "fresh" / "result.json").inputs == {}
    evaluate = ("evaluate", f"ckpt={checkpoint}", "data=pictures", "data.root=photos", "scale=2", "protocol=benchmark")
    assert run(*evaluate, "hydra.run.dir=read").status == 0
    assert read_record(tmp_path / "read" / "result.json").inputs == {
        str(checkpoint): hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    }


def test_a_shipped_model_is_an_input_by_its_name(run: Run, tmp_path: Path) -> None:
    assert run("profile", "ckpt=edsr-tiny-lte", *PROFILE[3:], "hydra.run.dir=mine").status == 0
    weights = checkpoint_file("edsr-tiny-lte").read_bytes()
    assert read_record(tmp_path / "mine" / "result.json").inputs == {
        "edsr-tiny-lte": hashlib.sha256(weights).hexdigest()
    }


def test_only_paths_in_the_job_s_folder_are_shortened(run: Run, tmp_path: Path, photos: Path) -> None:
    photos.rename(tmp_path / "mine_photos")
    data = ("data=folder", "data.held_out=1", f"data.root={tmp_path / 'mine_photos'}")
    assert run("evaluate", "ckpt=bicubic", *data, "data.held_out=1", "scale=2", "hydra.run.dir=mine").status == 0
    assert read_record(tmp_path / "mine" / "result.json").settings["data.root"] == str(tmp_path / "mine_photos")
    assert run("train", *TINY, *data, "trainer.max_steps=2", "hydra.run.dir=mine2").status == 0
    settings = read_record(tmp_path / "mine2" / "result.json").settings
    assert settings["callbacks.last.path"] == "./last.ckpt"
    assert settings["callbacks.best.dirpath"] == "."


def test_the_folder_s_own_checkpoint_is_resumed_by_its_full_path(run: Run, tmp_path: Path) -> None:
    train = ("train", *TINY, "hydra.run.dir=mine")
    assert run(*train, "trainer.max_steps=2").status == 0
    outcome = run(*train, "trainer.max_steps=4", f"ckpt={tmp_path / 'mine' / 'last.ckpt'}")
    assert outcome.status == 0, outcome.err
    assert torch.load(tmp_path / "mine" / "last.ckpt", weights_only=True)["global_step"] == 4


def test_how_a_job_is_watched_is_no_part_of_it(run: Run) -> None:
    assert run(*PROFILE, "hydra.run.dir=mine").status == 0
    assert "done already" in run(*PROFILE, "logger=wandb", "hydra.run.dir=mine").out


@pytest.mark.parametrize(("threads", "expected"), [("1,1", 1), ("", None), ("many", None), (" 2 ", 2)])
def test_threads_as_openmp_takes_them(
    run: Run, monkeypatch: pytest.MonkeyPatch, threads: str, expected: int | None
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setenv("RANK", "")
    try:
        assert run(*PROFILE).status == 0
        assert torch.get_num_threads() == (expected or before)
    finally:
        torch.set_num_threads(before)


def test_what_follows_a_record_may_fail(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such\nthing")

    monkeypatch.setattr("lmf_sr.commands.profile.to_wandb", broken)
    outcome = run(*PROFILE, "hydra.run.dir=mine")
    assert outcome.status == 0
    assert (
        f"lmf-sr: warning: W&B failed (no such thing); the results are safe in {tmp_path / 'mine' / 'result.json'}\n"
        in outcome.err
    )
    assert read_record(tmp_path / "mine" / "result.json").status == "done"


def test_a_job_whose_output_is_closed_is_interrupted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("lmf_sr.commands.evaluate._upscaler", closed)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert run("evaluate", "ckpt=bicubic", "hydra.run.dir=mine").status == 141
    record = read_record(tmp_path / "mine" / "result.json")
    assert (record.status, record.error) == ("interrupted", "its output was closed")
