"""`lmf-sr evaluate`: table, record, protocols, and every bad input in one sentence."""

import pickle
from pathlib import Path

import pytest
import torch
from command_line import Run

from lmf_sr.building import build
from lmf_sr.checkpoints import export, load
from lmf_sr.data import PairedImages
from lmf_sr.evaluation.metrics import BENCHMARK, DIV2K
from lmf_sr.evaluation.quality import evaluate
from lmf_sr.images import Picture, write_picture
from lmf_sr.results.records import Record, read_record


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two pictures in the layout of a benchmark: `root/Two/HR`."""
    folder = tmp_path / "root" / "Two" / "HR"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("a", "b")):
        rgb = torch.rand(3, 50, 61, generator=torch.Generator().manual_seed(seed))
        write_picture(folder / f"{name}.png", Picture(rgb))
    return folder


def the_record(folder: Path) -> Record:
    (path,) = folder.glob("outputs/evaluate/*/result.json")
    return read_record(path)


def test_a_folder_at_several_scales(run: Run, tmp_path: Path, photos: Path, checkpoint: Path) -> None:
    outcome = run(
        "evaluate", f"ckpt={checkpoint}", "data=pictures", f"data.root={photos}", "scale=[2,2.7]", "device=cpu"
    )
    assert outcome.status == 0
    record = the_record(tmp_path)
    images = PairedImages.from_files("HR", sorted(photos.iterdir()))
    found = [evaluate(load(checkpoint), images, scale, DIV2K) for scale in (2.0, 2.7)]
    assert record.results == {"edsr-baseline-lm-liif n_resblocks=1 n_feats=8": found}
    assert record.configuration["ckpt"] == str(checkpoint)
    for result in found:
        assert f"{result.metrics['psnr']:.2f}" in outcome.out
    assert "result.json" in outcome.out


def test_benchmark_sets_are_compared_by_their_protocol_unless_told_otherwise(
    run: Run, tmp_path: Path, photos: Path, checkpoint: Path
) -> None:
    arguments = ("evaluate", f"ckpt={checkpoint}", "data=benchmark", "data.root=root", "data.sets=[Two]", "scale=2")
    images = PairedImages.from_files("Two", sorted(photos.iterdir()))
    for protocol, options in ((BENCHMARK, ()), (DIV2K, ("protocol=div2k",))):
        folder = tmp_path / protocol.name
        assert run(*arguments, *options, f"hydra.run.dir={folder}").status == 0
        assert read_record(folder / "result.json").results == {
            "edsr-baseline-lm-liif n_resblocks=1 n_feats=8": [evaluate(load(checkpoint), images, 2.0, protocol)]
        }


def test_images_that_fail_are_listed_and_the_others_done(run: Run, tmp_path: Path, photos: Path) -> None:
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:1000])
    outcome = run("evaluate", "ckpt=bicubic", "data=pictures", f"data.root={photos}", "scale=[2,3]")
    assert outcome.status == 2
    assert outcome.error.startswith("lmf-sr: error: 2 evaluations of images failed")
    assert "lmf-sr: HR/b at scale 3: cannot read" in outcome.err
    record = the_record(tmp_path)
    assert [list(result.images) for result in record.results["bicubic"]] == [["a"], ["a"]]
    assert (record.status, record.error) == ("failed", outcome.error.removeprefix("lmf-sr: error: "))


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("scale=0", "scale 0 makes no picture larger: a scale is a number of at least 1"),
        ("scale=-2", "scale -2 makes no picture larger"),
        ("scale=0.99", "scale 0.99 makes no picture larger"),
        ("scale=[2,inf]", "scale inf makes no picture larger"),
        ("scale=large", "scale large makes no picture larger"),
        ("scale=[]", "scale=[] holds no scale"),
        ("protocol=foo", "there is no protocol 'foo'; choose one of div2k, benchmark, benchmark-rgb"),
        ("device=abacus", "device 'abacus' is not available here"),
        ("cmsr.mse_threshold=1e-5", "there is no calibration "),
        ("decoder=liif", "holds a model with decoder name 'lm-liif', not 'liif': leave decoder out"),
        ("encoder.n_feats=64", "holds a model with encoder n_feats 8, not 64: leave encoder.n_feats out"),
        ("ckpt=missing.ckpt", "there is no checkpoint file 'missing.ckpt'"),
    ],
)
def test_bad_arguments(run: Run, checkpoint: Path, argument: str, told: str) -> None:
    outcome = run("evaluate", f"ckpt={checkpoint}", argument)
    assert outcome.status == 2
    assert told in outcome.error
    assert len(outcome.err.strip().splitlines()) == 1


def test_options_that_agree_with_the_checkpoint_are_welcome(run: Run, photos: Path, checkpoint: Path) -> None:
    options = ("decoder=lm-liif", "encoder.n_feats=8", "data=pictures", f"data.root={photos}", "scale=2")
    assert run("evaluate", f"ckpt={checkpoint}", *options).status == 0


def test_without_a_checkpoint_the_model_must_be_one_that_ships(run: Run) -> None:
    outcome = run("evaluate", "encoder=edsr", "decoder=liif")
    assert outcome.status == 2
    assert "no trained edsr-liif ships with lmf-sr" in outcome.error
    assert "give one as ckpt=FILE" in outcome.error


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_missing_or_empty_folder_is_named(run: Run, tmp_path: Path, kind: str) -> None:
    if kind == "empty":
        (tmp_path / "nothing").mkdir()
    for data in ("folder", "benchmark"):
        outcome = run("evaluate", "ckpt=bicubic", f"data={data}", "data.root=nothing")
        assert outcome.status == 2
        assert "nothing" in outcome.error


class Payload:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize("suffix", ["pth", "ckpt"])
def test_a_checkpoint_that_would_run_code_is_refused(run: Run, tmp_path: Path, suffix: str) -> None:
    torch.save({"model": Payload()}, tmp_path / f"evil.{suffix}")
    outcome = run("evaluate", f"ckpt=evil.{suffix}")
    assert outcome.status == 2
    assert f"evil.{suffix} is refused" in outcome.error
    assert not (tmp_path / "ran").exists()


def test_files_that_are_no_checkpoints(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "list.pth").write_bytes(pickle.dumps([1, 2, 3]))
    (tmp_path / "empty.ckpt").touch()
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pth")
    for name in ("text.pth", "list.pth", "empty.ckpt", "text.safetensors", "other.pth"):
        outcome = run("evaluate", f"ckpt={name}")
        assert outcome.status == 2
        assert name in outcome.error


def test_missing_weights_are_named(run: Run, tmp_path: Path) -> None:
    model = build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "lm-liif")
    del model.decoder.render_mlp
    export(model, tmp_path / "part.safetensors")
    outcome = run("evaluate", "ckpt=part.safetensors")
    assert outcome.status == 2
    assert "is missing decoder.render_mlp" in outcome.error
