"""One program with verbs: help that teaches, errors of one sentence, exit statuses a script can rely on."""

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run

from lmf_sr.commands import import_, main
from lmf_sr.errors import InputError


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_verb_and_gives_examples(run: Run, arguments: tuple[str, ...]) -> None:
    outcome = run(*arguments)
    assert outcome.status == 0
    for verb, entry in main.VERBS.items():
        assert f"  {verb} " in outcome.out
        assert entry.does in outcome.out
    assert "examples:" in outcome.out


@pytest.mark.parametrize("verb", main.VERBS)
def test_every_verb_has_help_with_an_example(run: Run, verb: str) -> None:
    outcome = run(verb, "--help")
    assert outcome.status == 0
    assert f"  lmf-sr {verb} " in outcome.out


def test_version(run: Run) -> None:
    assert run("--version").out.startswith("lmf-sr ")


def test_an_unknown_verb_is_answered_with_those_there_are(run: Run) -> None:
    outcome = run("enlarge")
    assert outcome.status == 2
    assert outcome.error == f"lmf-sr: error: there is no verb 'enlarge'; choose one of {', '.join(main.VERBS)}"


def test_bad_input_is_one_sentence_and_status_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str]) -> None:
        raise InputError("what was found, and the way out")

    monkeypatch.setattr(import_, "main", fail)
    outcome = run("import", "x.pth")
    assert (outcome.status, outcome.err) == (2, "lmf-sr: error: what was found, and the way out\n")


@pytest.mark.parametrize(
    ("interrupt", "told"),
    [(KeyboardInterrupt(), "lmf-sr: interrupted\n"), (KeyboardInterrupt("2 kept"), "lmf-sr: interrupted: 2 kept\n")],
)
def test_an_interruption_says_what_was_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, interrupt: KeyboardInterrupt, told: str
) -> None:
    def stop(arguments: list[str]) -> None:
        raise interrupt

    monkeypatch.setattr(import_, "main", stop)
    outcome = run("import", "x.pth")
    assert (outcome.status, outcome.err) == (130, told)


def test_the_program_s_exit_status_is_main_s(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "lmf_sr.commands.main", "import", "missing.pth"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("lmf-sr: error: there is no checkpoint file 'missing.pth'")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["evaluate", "--help"], ["train", "lr=1"]])
def test_help_and_hints_do_not_wait_for_torch(arguments: list[str]) -> None:
    script = (
        "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules)); "
        f"from lmf_sr.commands.main import main; main({arguments})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("arguments", [("--help",), ("evaluate", "--help"), ("upscale", "--help")])
def test_output_that_is_read_no_further_is_no_error(arguments: tuple[str, ...]) -> None:
    program = [sys.executable, "-m", "lmf_sr.commands.main", *arguments]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() in (0, 141)  # argparse swallows it
