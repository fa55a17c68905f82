"""`lmf-sr view` and `lmf-sr export`, as programs: what they serve and write, and what they refuse."""

import http.client
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import Run

from lmf_sr.images import Picture, write_picture

TINY = ("--model", "edsr-tiny-lm-liif")


@pytest.fixture(autouse=True)
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_picture(path, Picture(torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))))
    return path


def test_view_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "lmf_sr.commands.main", "view", "photo.png", "--no-browser", *TINY]
    with subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.match(r"view at http://127\.0\.0\.1:(\d+)(/[\w-]{20,}/) ", process.stdout.readline())
            assert found
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
            connection.request("GET", f"{found[2]}about")
            assert b"photo.png" in connection.getresponse().read()
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
            assert (process.returncode, told) == (0, "")
        finally:
            process.kill()


def test_export_writes_a_page(run: Run, tmp_path: Path) -> None:
    outcome = run("export", "photo.png", "page.html", *TINY)
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("written: page.html (0.")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("view", "missing.png", *TINY), "no image missing.png: the file does not exist"),
        (("view", "photo.png", "--model", "missing"), "there is no checkpoint file 'missing'"),
        (("view", "photo.png", "photo.png", "--reference", "photo.png", *TINY), "--reference photo.png is for one"),
        (("view", "photo.png", "--port", "1000000", *TINY), "--port 1000000 is no port: give 1 to 65535"),
        (("export", "photo.png", "page.pdf", *TINY), "cannot export to page.pdf: its suffix must be one of .html"),
        (("export", "missing.png", "page.html", *TINY), "no image missing.png: the file does not exist"),
        (("export", "photo.png", "page.html", "--max-mb", "0", *TINY), "--max-mb 0 leaves room for nothing"),
        (("export", "photo.png", "page.html", "--max-mb", "0.1", *TINY), "page.html would be 0."),
    ],
)
def test_what_is_refused(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = run(*arguments)
    assert outcome.status == 2
    assert outcome.error.startswith(f"lmf-sr: error: {sentence}")
