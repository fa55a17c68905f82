"""Verbs as Hydra applications: errors in one sentence, sweeps that go on, a folder for each job."""

from pathlib import Path

import pytest
import torch
from command_line import Run

from lmf_sr.images import Picture, write_picture
from lmf_sr.results.records import read_record

BICUBIC = ("evaluate", "ckpt=bicubic", "data.root=photos", "data=pictures")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_picture(tmp_path / "photos" / "a.png", Picture(torch.rand(3, 48, 60)))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["decoder=foo"], "there is no decoder 'foo'; choose one of "),
        (["encoder=foo"], "there is no encoder 'foo'; choose one of "),
        (["data=foo"], "there is no data 'foo'; choose one of benchmark, embedded, folder"),
        (["foo=1"], "there is no option 'foo'; lmf-sr evaluate --help lists all options"),
        (["encoder.foo=1"], "there is no option 'encoder.foo'"),
        (["scale=2,3"], "scale=2,3 may be a list or a sweep: write scale=[2,3], or add -m"),
        (["x=["], "cannot make sense of 'x=['"),
        (["cmsr=null"], "a config group cannot be null; to select none, pass an empty list, as in logger=[]"),
        (["-m", "scale=2,3", "--cfg", "job"], "Only one of --run, --multirun, --cfg"),
    ],
)
def test_arguments_that_make_no_sense(run: Run, arguments: list[str], told: str) -> None:
    outcome = run("evaluate", *arguments)
    assert outcome.status == 2
    assert told in outcome.error
    assert len(outcome.err.strip().splitlines()) == 1


@pytest.mark.parametrize("options", [("--cfg", "job", "scale=3"), ("scale=3", "--cfg", "job")])
def test_options_stand_before_settings_or_after(run: Run, options: tuple[str, ...]) -> None:
    outcome = run("evaluate", "ckpt=bicubic", *options, "protocol=div2k")
    assert outcome.status == 0, outcome.err
    assert "scale: 3" in outcome.out
    assert "protocol: div2k" in outcome.out


def test_an_option_that_must_be_given(run: Run) -> None:
    outcome = run("evaluate", "ckpt=bicubic", "data=pictures")
    assert outcome.status == 2
    assert outcome.error == "lmf-sr: error: data.root is missing: give it as data.root=..."


def test_each_job_has_a_folder_of_its_own(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert run(*BICUBIC, "scale=2").status == 0
    assert run(*BICUBIC, "-m", "scale=2,3").status == 0
    records = [read_record(path) for path in sorted(tmp_path.glob("*/evaluate/**/result.json"))]
    assert sorted(result.scale for record in records for result in record.results["bicubic"]) == [2, 2, 2, 3]


def test_jobs_of_a_sweep_have_folders_named_by_what_varies(run: Run, tmp_path: Path) -> None:
    assert run(*BICUBIC, "-m", "scale=2,[2.5,3]", "protocol=div2k,benchmark", "sweep=mine").status == 0
    folders = sorted((tmp_path / "multirun" / "evaluate" / "mine").glob("*/result.json"))
    assert [path.parent.name for path in folders] == [
        "protocol-benchmark+scale-2",
        f"protocol-benchmark+scale-_2.5_3-{folders[1].parent.name[-8:]}",
        "protocol-div2k+scale-2",
        f"protocol-div2k+scale-_2.5_3-{folders[3].parent.name[-8:]}",
    ]
    record = read_record(folders[0])
    assert (record.sweep, record.name) == ("mine", "protocol-benchmark+scale-2")


def test_of_a_key_given_twice_the_last_counts(run: Run, tmp_path: Path) -> None:
    assert run(*BICUBIC, "-m", "scale=4", "scale=2,3", "sweep=mine").status == 0
    assert run(*BICUBIC, "-m", "scale=2,3", "scale=4", "protocol=div2k,benchmark", "sweep=other").status == 0
    names = {path.parent.name for path in tmp_path.glob("multirun/evaluate/*/*/result.json")}
    assert names == {"scale-2", "scale-3", "protocol-div2k", "protocol-benchmark"}


def test_an_earlier_result_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    assert run(*BICUBIC, "scale=2", "hydra.run.dir=mine").status == 0
    before = (tmp_path / "mine" / "result.json").read_bytes()
    outcome = run(*BICUBIC, "scale=3", "hydra.run.dir=mine")
    assert outcome.status == 2
    assert "mine already holds a result of another configuration (scale: 2 there, 3 here)" in outcome.error
    assert (tmp_path / "mine" / "result.json").read_bytes() == before


def test_a_failing_job_of_a_sweep_is_named_and_the_others_are_done(run: Run, tmp_path: Path) -> None:
    outcome = run(*BICUBIC, "-m", "scale=2,0.5,3")
    assert outcome.status == 2
    assert "lmf-sr: scale-0.5: scale 0.5 makes no picture larger" in outcome.err
    assert "1 of the sweep's jobs failed" in outcome.error
    records = {r.name: r for r in map(read_record, tmp_path.glob("multirun/**/result.json"))}
    assert {name: record.status for name, record in records.items()} == {
        "scale-2": "done",
        "scale-0.5": "failed",
        "scale-3": "done",
    }
    assert "makes no picture larger" in (records["scale-0.5"].error or "")


def test_a_second_seed_joins_a_single_one(run: Run, tmp_path: Path) -> None:
    sweep = (*BICUBIC, "-m", "scale=2", "sweep=seeds")
    assert run(*sweep, "seed=0").status == 0
    outcome = run(*sweep, "seed=0,1")
    assert outcome.status == 0
    assert "seed-0: done already" in outcome.out
    assert {path.parent.name for path in tmp_path.glob("multirun/**/result.json")} == {"seed-0", "seed-1"}


def test_a_path_is_typed_as_it_is(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "photos").rename(tmp_path / "it's=#1")
    outcome = run("evaluate", "ckpt=bicubic", "data=pictures", "data.root=~/it's=#1", "scale=2", "hydra.run.dir=mine")
    assert outcome.status == 0, outcome.err
    assert read_record(tmp_path / "mine" / "result.json").settings["data.root"] == str(tmp_path / "it's=#1")


@pytest.mark.parametrize("sweep", [(), ("-m",)])
def test_paths_are_as_seen_from_where_the_command_was_given(run: Run, sweep: tuple[str, ...]) -> None:
    outcome = run(*BICUBIC, *sweep, "scale=2", "hydra.job.chdir=true")
    assert outcome.status == 0, outcome.err
    assert outcome.err.startswith("lmf-sr: warning: hydra.job.chdir changes nothing here")


def test_a_sweep_in_which_nothing_varies_has_one_job_with_a_name(run: Run, tmp_path: Path) -> None:
    assert run(*BICUBIC, "-m", "scale=2", "sweep=mine").status == 0
    assert (tmp_path / "multirun" / "evaluate" / "mine" / "single" / "result.json").is_file()


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("data.held_out=1", "data.held_out is an option of data=folder or data=store"),
        ("ckpt_path=x", "ckpt=... may be meant"),
    ],
)
def test_an_unknown_option_is_answered_with_a_hint(run: Run, argument: str, hint: str) -> None:
    outcome = run("evaluate", argument)
    assert outcome.status == 2
    assert hint in outcome.error
