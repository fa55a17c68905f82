"""`lmf-sr prepare`: folders and archives to a store; what is wrong with them is listed, nothing is half-written."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Run

from lmf_sr.data.sources import Benchmark, Store
from lmf_sr.data.store import Stored, sets_in
from lmf_sr.images import Picture, read_rgb8, write_picture
from lmf_sr.results.records import read_record

SMALL = ("--min-side", "16")


def photo(path: Path, height: int = 24, width: int = 32, seed: int = 0) -> Path:
    write_picture(path, Picture(torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))))
    return path


def zipped(path: Path, **contents: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def png(tmp_path: Path, **size: int) -> bytes:
    return photo(tmp_path / "scratch" / "some.png", **size).read_bytes()


def test_several_sources_become_one_store(run: Run, tmp_path: Path) -> None:
    for i, name in enumerate(["photos/a.png", "photos/deep/b.jpg", "photos/.hidden.png", "test/c.png"]):
        photo(tmp_path / name, seed=i)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    zipped(tmp_path / "more.zip", **{"in/d.png": png(tmp_path), "__MACOSX/in/._d.png": b"?", "../e.png": png(tmp_path)})
    outcome = run("prepare", "photos", "more.zip", "--validation", "test", "all.store", *SMALL)
    assert outcome.status == 0, outcome.err
    store = tmp_path / "all.store"
    assert list(Stored(store, "train/HR")) == ["more/e.png", "more/in/d.png", "photos/a.png", "photos/deep/b.jpg"]
    assert list(Stored(store, "valid/HR")) == ["test/c.png"]
    for name in ("photos/a.png", "photos/deep/b.jpg"):
        assert torch.equal(Stored(store, "train/HR")[name], read_rgb8(tmp_path / name))
    assert "train/HR: 4 images" in outcome.out
    assert "valid/HR: 1 images" in outcome.out
    assert "lmf-sr:" not in outcome.err


@pytest.mark.parametrize("packed", [None, "tar", "tgz", "zip"])
def test_a_benchmark_archive_in_any_form(run: Run, tmp_path: Path, packed: str | None) -> None:
    for i in range(5):
        photo(tmp_path / "benchmark" / "Set5" / "HR" / f"{i}.png", seed=i)
        photo(tmp_path / "benchmark" / "Set5" / "LR_bicubic" / "X2" / f"{i}x2.png", 12, 16, seed=i)
    if packed == "zip":
        files = (file for file in (tmp_path / "benchmark").rglob("*.png"))
        zipped(tmp_path / "given.zip", **{file.relative_to(tmp_path).as_posix(): file.read_bytes() for file in files})
    elif packed:
        with tarfile.open(tmp_path / f"given.{packed}", "w:gz" if packed == "tgz" else "w") as archive:
            archive.add(tmp_path / "benchmark", "benchmark")
    source = f"given.{packed}" if packed else "benchmark"
    outcome = run("prepare", source, "b.store")
    assert outcome.status == 0, outcome.err
    assert "lmf-sr:" not in outcome.err
    assert sets_in(tmp_path / "b.store") == {"Set5": [2.0]}
    by_store = ("data=store", "data.root=b.store", "hydra.run.dir=by-store")
    by_files = ("data=benchmark", "data.root=benchmark", "hydra.run.dir=by-files")
    for data in (by_store, by_files):
        assert run("evaluate", "ckpt=bicubic", *data, "scale=[2,3]").status == 0
    found = read_record(tmp_path / "by-store" / "result.json").results
    assert found == read_record(tmp_path / "by-files" / "result.json").results
    assert [result.lr_source for result in found["bicubic"]] == ["file", "computed"]


def test_a_folder_of_downloads_is_read_without_unpacking(run: Run, tmp_path: Path) -> None:
    (tmp_path / "DIV2K").mkdir()
    zipped(tmp_path / "DIV2K" / "DIV2K_train_HR.zip", **{"DIV2K_train_HR/0001.png": png(tmp_path)})
    zipped(tmp_path / "DIV2K" / "DIV2K_valid_HR.zip", **{"DIV2K_valid_HR/0801.png": png(tmp_path)})
    lr = {"DIV2K_valid_LR_bicubic/X2/0801x2.png": png(tmp_path, height=12, width=16)}
    zipped(tmp_path / "DIV2K" / "DIV2K_valid_LR_bicubic_X2.zip", **lr)
    outcome = run("prepare", "DIV2K", "div2k.store", *SMALL)
    assert outcome.status == 0, outcome.err
    assert sets_in(tmp_path / "div2k.store") == {"train": [], "valid": [2.0]}
    told = [line for line in outcome.err.splitlines() if line.startswith("lmf-sr: ")]
    assert told[0].startswith("lmf-sr: DIV2K_train_HR lacks 799 of its 800 images: 0002, 0003")
    assert told[1] == "lmf-sr: DIV2K_train_HR has 1 images whose longer side is not 2040 pixels: 0001 (32x24)"
    assert not (tmp_path / "DIV2K" / "DIV2K_train_HR").exists()


def test_what_cannot_be_used_is_listed_and_left_out(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b", "small"):
        photo(tmp_path / "photos" / f"{name}.png", 12 if name == "small" else 24)
    cut = tmp_path / "photos" / "b.png"
    cut.write_bytes(cut.read_bytes()[:200])
    damaged = bytearray(zipped(tmp_path / "more.zip", **{"c.png": png(tmp_path), "d.png": b"no image"}).read_bytes())
    damaged[100] ^= 255
    (tmp_path / "more.zip").write_bytes(damaged)
    outcome = run("prepare", "photos", "more.zip", "some.store", *SMALL)
    assert outcome.status == 0
    told = [line for line in outcome.err.splitlines() if line.startswith("lmf-sr: ")]
    for line, beginning in zip(
        told,
        [
            "left out: cannot read photos/b.png: damaged",
            "left out: photos/small.png is 32x12 pixels, a side of less than 16",
            "left out: cannot read more.zip/c.png: it cannot be extracted from the archive: ",
            "left out: cannot read more.zip/d.png: the file is no image",
        ],
        strict=True,
    ):
        assert line.startswith(f"lmf-sr: {beginning}")
    assert list(Stored(tmp_path / "some.store", "train/HR")) == ["photos/a.png"]
    strict = run("prepare", "photos", "more.zip", "strict.store", "--strict", *SMALL)
    assert strict.status == 2
    assert all(line in strict.err for line in told)
    assert "nothing is made of these sources" in strict.error
    assert not list(tmp_path.glob("*strict.store*"))


def test_a_file_that_claims_more_than_any_photograph_is_not_unpacked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped(tmp_path / "bomb.zip", **{"a.png": png(tmp_path), "bomb.png": bytes(10_000_000)})
    monkeypatch.setattr("lmf_sr.data.archives._LARGEST", 5_000_000)
    outcome = run("prepare", "bomb.zip", "some.store", *SMALL)
    assert outcome.status == 0
    assert "bomb.zip/bomb.png: unpacked it would be 10,000,000 bytes" in outcome.err
    assert list(Stored(tmp_path / "some.store", "train/HR")) == ["bomb/a.png"]


def test_sources_and_outputs_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "a.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no archive")
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        archive.add(tmp_path / "photos", "photos")
    (tmp_path / "cut.tar").write_bytes(whole.getvalue()[:1300])
    for arguments, told in [
        (["photos", "text.zip"], "text.zip is there already"),
        (["new.store"], "nothing to make new.store of"),
        (["nowhere", "new.store"], "there is no folder or archive nowhere"),
        (["empty", "new.store"], "empty holds no images"),
        (["text.zip", "new.store"], "text.zip is neither a folder nor a whole zip or tar archive"),
        (["cut.tar", "new.store"], "cut.tar"),
        (["photos", "photos/", "new.store"], "a source is given twice"),
        (["photos", "new.store", "--min-side", "100"], "nothing is made of these sources"),
        (["photos", "photos/a.png/new.store"], "cannot write photos/a.png/new.store"),
    ]:
        outcome = run("prepare", *arguments)
        assert outcome.status == 2, arguments
        assert told in outcome.error
        assert not (tmp_path / "new.store").exists()


def test_files_that_come_twice_are_taken_once(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "one" / "photos" / "a.png", seed=0)
    photo(tmp_path / "two" / "photos" / "a.png", seed=1)
    outcome = run("prepare", "one/photos", "two/photos", "some.store", *SMALL)
    assert outcome.status == 0
    assert "found before: two/photos/a.png; rename" in outcome.err
    assert torch.equal(Stored(tmp_path / "some.store", "train/HR")["photos/a.png"], read_rgb8("one/photos/a.png"))


def test_training_on_a_store_is_training_on_its_folder(run: Run, tmp_path: Path) -> None:
    for i in range(4):
        photo(tmp_path / "photos" / f"{i}.png", 32, 32, seed=i)
    assert run("prepare", "photos", "some.store", *SMALL).status == 0
    tiny = ("encoder.n_resblocks=1", "encoder.n_feats=8", "sampling.patch=4", "sampling.queries=16", "batch_size=2")
    steps = ("trainer.accelerator=cpu", "trainer.max_steps=2", "logger=csv", "workers=1", "scale=1", "lr_size=[4,4]")
    weights = []
    for data in ("folder", "store"):
        root = "photos" if data == "folder" else "some.store"
        where = (f"data={data}", f"data.root={root}", "data.held_out=1", f"hydra.run.dir={data}")
        outcome = run("train", *tiny, *steps, *where)
        assert outcome.status == 0, outcome.err
        weights.append(torch.load(tmp_path / data / "last.ckpt", weights_only=True)["state_dict"])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_help_says_where_the_sets_are(run: Run) -> None:
    outcome = run("prepare", "--help")
    for address in ("https://data.vision.ee.ethz.ch/cvl/DIV2K/", "https://cv.snu.ac.kr/research/EDSR/benchmark.tar"):
        assert address in outcome.out


@pytest.mark.parametrize("packed", ["zip", "tar", None])
def test_backslashes_in_names_part_folders(run: Run, tmp_path: Path, packed: str | None) -> None:
    """Some programs on Windows write them into archives, some unpack them into names of files."""
    members = [r"DIV2K_valid_HR\0801.png", r"DIV2K_train_HR\0001.png", r"more\Set5\HR\baby.png", r"c\.hidden\d.png"]
    content = png(tmp_path)
    source = tmp_path / (f"div2k.{packed}" if packed else "div2k")
    if packed == "zip":
        with zipfile.ZipFile(source, "w") as archive:
            for name in members:
                info = zipfile.ZipInfo("member")
                info.filename = name
                archive.writestr(info, content)
    elif packed == "tar":
        with tarfile.open(source, "w") as tape:
            for name in members:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tape.addfile(member, io.BytesIO(content))
    else:
        source.mkdir()
        for name in members:
            (source / name).write_bytes(content)
    assert run("prepare", source, "a.store", *SMALL).status == 0
    assert sets_in(tmp_path / "a.store") == {"Set5": [], "train": [], "valid": []}
    assert list(Stored(tmp_path / "a.store", "valid/HR")) == ["0801"]
    assert list(Stored(tmp_path / "a.store", "train/HR")) == ["0001"]


def test_pictures_that_are_not_read_are_named(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "a.jfif")
    (tmp_path / "photos" / "b.heic").touch()
    (tmp_path / "photos" / "c.png").symlink_to("nowhere.png")
    zipped(tmp_path / "more.zip", **{"d.nef": b"?", "e.png": png(tmp_path), "readme.txt": b"?"})
    outcome = run("prepare", "photos", "more.zip", "a.store", *SMALL)
    assert outcome.status == 0
    named = "more.zip/d.nef (a camera's raw format, which is not read)"
    named += ", photos/b.heic (HEIC, which is not read), photos/c.png (a link to nothing)"
    assert outcome.err.endswith(f"lmf-sr: passed over: {named}\n")
    assert list(Stored(tmp_path / "a.store", "train/HR")) == ["more/e.png", "photos/a.jfif"]


@pytest.mark.parametrize(("folder", "mark"), [("X1.60", "x1.60"), ("x1.6", "x1.6"), ("X1.6", "X1.60")])
def test_a_scale_is_the_same_however_it_is_written(run: Run, tmp_path: Path, folder: str, mark: str) -> None:
    photo(tmp_path / "benchmark" / "Own" / "HR" / "baby.png")
    lr = photo(tmp_path / "benchmark" / "Own" / "LR_bicubic" / folder / f"baby{mark}.png", 15, 20)
    assert run("prepare", "benchmark", "a.store").status == 0
    for source in (Benchmark(tmp_path / "benchmark"), Store(tmp_path / "a.store")):
        (images,) = source.evaluation()
        assert images.lr_source(1.6) == "file"
        assert torch.equal(images.pair("baby", 1.6).lr, read_rgb8(lr))


def test_folders_that_cannot_be_read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "photos" / "a.png")
    photo(tmp_path / "photos" / "secret" / "b.png")
    walk = os.walk

    def refused(name: str) -> Callable[..., Iterator[Any]]:
        def refusing(folder: Path, onerror: Callable[[OSError], None]) -> Iterator[Any]:
            for inner, folders, names in walk(folder):
                if Path(inner).name == name:
                    onerror(PermissionError(13, "Permission denied", inner))
                else:
                    yield inner, folders, names

        return refusing

    monkeypatch.setattr("os.walk", refused("secret"))
    outcome = run("prepare", "photos", "a.store", *SMALL)
    assert outcome.status == 0
    assert outcome.err.endswith("lmf-sr: passed over: photos/secret (Permission denied)\n")
    monkeypatch.setattr("os.walk", refused("photos"))
    outcome = run("prepare", "photos", "b.store", *SMALL)
    assert (outcome.status, outcome.error) == (2, "lmf-sr: error: cannot read the folder photos: Permission denied")
