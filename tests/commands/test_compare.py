"""`lmf-sr compare`: what it leaves in its folder."""

import csv
import os
from pathlib import Path

import pytest
import torch
from command_line import Run
from PIL import Image

from lmf_sr.building import build
from lmf_sr.checkpoints import export
from lmf_sr.images import Picture, write_picture
from lmf_sr.results.records import read_record


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("a", "b")):
        pixels = torch.randint(256, (64, 72, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(folder / f"{name}.png")
    return folder


OPTIONS = ("scale=[2,2.5]", "data=pictures", "lr_size=[8,8]", "crop.side=16", "crop.scale=2", "hydra.run.dir=out")


def test_what_it_leaves(run: Run, photographs: Path, checkpoint: Path, tmp_path: Path) -> None:
    outcome = run("compare", f"models=[bicubic,{checkpoint}]", f"data.root={photographs}", *OPTIONS)
    assert outcome.status == 0, outcome.err
    out = tmp_path / "out"
    with (out / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], float(row["scale"])) for row in rows] == [
        ("bicubic", 2),
        ("bicubic", 2.5),
        ("edsr-baseline-lm-liif n_resblocks=1 n_feats=8", 2),
        ("edsr-baseline-lm-liif n_resblocks=1 n_feats=8", 2.5),
    ]
    assert all(float(row["psnr"]) > 0 for row in rows)
    assert all(float(row["decoder_macs"]) > 0 and float(row["decoder_ms"]) > 0 for row in rows[2:])
    assert rows[0]["decoder_macs"] == ""
    markdown = (out / "table.md").read_text()
    assert "| edsr-baseline-lm-liif n_resblocks=1 n_feats=8 | " in markdown
    assert "lmf-sr compare" in markdown
    for figure in ("comparison.png", "crops.png"):
        with Image.open(out / figure) as picture:
            assert min(picture.size) > 100
    found = read_record(out / "result.json").results
    assert list(found) == ["bicubic", "edsr-baseline-lm-liif n_resblocks=1 n_feats=8"]
    assert set(found["bicubic"][0].images) == {"a", "b"}


def test_crops_that_cannot_be_drawn_are_not_said_to_be_written(run: Run, photographs: Path, tmp_path: Path) -> None:
    outcome = run("compare", "models=[bicubic]", f"data.root={photographs}", *OPTIONS, "crop.scale=100")
    assert outcome.status == 0, outcome.err
    assert "written: out/comparison.png\n" in outcome.out.replace(f"{tmp_path}/", "")
    assert not (tmp_path / "out" / "crops.png").exists()


def test_a_figure_that_cannot_be_drawn_is_a_warning(
    run: Run, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr("lmf_sr.results.plots.side_by_side", fail)
    outcome = run("compare", "models=[bicubic]", f"data.root={photographs}", *OPTIONS)
    assert outcome.status == 0
    assert "no ink" in outcome.err
    assert read_record(tmp_path / "out" / "result.json").status == "done"
    assert (tmp_path / "out" / "table.csv").is_file()


def test_names_of_any_kind(run: Run, tmp_path: Path) -> None:
    for name in ("price_$5_to_$9", "a|b", "漢字", os.fsdecode(b"caf\xe9")):
        write_picture(tmp_path / "new.png", Picture(torch.rand(3, 48, 60)))
        (tmp_path / "pictures").mkdir(exist_ok=True)
        (tmp_path / "new.png").rename(tmp_path / "pictures" / f"{name}.png")
    write_picture(tmp_path / "pictures" / "flat.png", Picture(torch.full((3, 48, 60), 0.5)))
    outcome = run("compare", "models=[bicubic]", "data.root=pictures", *OPTIONS, "crop.images=5")
    assert outcome.status == 0, outcome.err
    assert "warning" not in outcome.err
    assert (tmp_path / "out" / "crops.png").is_file()
    (result, _) = read_record(tmp_path / "out" / "result.json").results["bicubic"]
    assert result.metrics["psnr_infinite"] == 1
    assert result.metrics["psnr"] < 100
    assert run("collect", "out", "--images", "-o", "x.csv").status == 0
    assert r"caf\xe9" in (tmp_path / "x.csv").read_text()


def test_two_models_of_one_kind_keep_their_rows_apart(run: Run, photographs: Path, tmp_path: Path) -> None:
    for seed in ("0", "1"):
        torch.manual_seed(int(seed))
        export(
            build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 4}, "lm-liif"),
            tmp_path / f"{seed}.safetensors",
        )
    outcome = run("compare", "models=[0.safetensors,1.safetensors]", f"data.root={photographs}", *OPTIONS)
    assert outcome.status == 0, outcome.err
    names = read_record(tmp_path / "out" / "result.json").results
    assert len(names) == 2
    assert all(name.startswith("edsr-baseline-lm-liif n_resblocks=1 n_feats=4 (") for name in names)


def test_nothing_to_compare(run: Run) -> None:
    outcome = run("compare", "models=[]")
    assert outcome.status == 2
    assert "models=[] compares nothing" in outcome.error


def test_a_missing_model_is_named_before_any_work(run: Run) -> None:
    outcome = run("compare", "models=[bicubic,nowhere.ckpt]")
    assert outcome.status == 2
    assert "nowhere.ckpt" in outcome.error
