"""A file is complete or not there, however its writer ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lmf_sr.atomic import Interrupted, replacing, write_text
from lmf_sr.errors import InputError

WRITER = """
import sys
from lmf_sr.atomic import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(path: Path) -> subprocess.Popen[bytes]:
    """Another process, half way through writing `path`."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_the_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"
    with replacing(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert names(path.parent) == ["a.bin"]
    assert path.read_bytes() == b"whole"


def test_a_text_is_written_in_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.txt", "Größe\n")
    assert names(tmp_path / "new") == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_bytes() == "Größe\n".encode()


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"new" if 1 // 0 else b"")
    assert names(tmp_path) == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*a\.bin"), replacing(tmp_path / "file" / "a.bin"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="file locks are POSIX")
def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    """A file that another process is writing stays, and so does one that belongs to another file."""
    path = tmp_path / "a [1].bin"
    other = tmp_path / ".a [1].bin.png.7.partial"
    other.touch()
    killed, busy = writer(path), writer(path)
    killed.kill()
    killed.wait()
    assert not path.exists()
    with replacing(path) as file:
        file.write(b"whole")
    assert names(tmp_path) == sorted([f".a [1].bin.{busy.pid}.partial", other.name, path.name])
    busy.communicate()
    assert names(tmp_path) == [other.name, path.name]


def stop_half_way(path: Path, kept: Path) -> None:
    with replacing(path) as file:
        file.write(b"half")
        raise Interrupted("half is done", kept)


def test_what_is_worth_keeping_stays_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"before")
    with pytest.raises(Interrupted, match="half is done"):
        stop_half_way(tmp_path / "a.bin", tmp_path / "a.part.bin")
    assert names(tmp_path) == ["a.bin", "a.part.bin"]
    assert (tmp_path / "a.part.bin").read_bytes() == b"half"
    assert (tmp_path / "a.bin").read_bytes() == b"before"
