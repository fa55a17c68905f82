"""`lmf-sr import`: the authors' checkpoints to exports of the same model."""

from pathlib import Path

import pytest
import torch
from command_line import Run

from lmf_sr.checkpoints import load, read

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(
    ("file", "method", "parameters"), [("liif", "liif", "346,883"), ("lmliif", "lm-liif", "165,651")]
)
def test_the_export_is_the_same_model(run: Run, tmp_path: Path, file: str, method: str, parameters: str) -> None:
    outcome = run("import", GOLDEN / f"{file}.pth", "--output", "made/model.safetensors")
    assert outcome.status == 0
    assert f"decoder: {method} (" in outcome.out
    assert f"{parameters} parameters" in outcome.out
    assert "encoder: edsr-baseline (n_resblocks 2" in outcome.out
    made, original = load(tmp_path / "made" / "model.safetensors"), load(GOLDEN / f"{file}.pth")
    assert made.config == original.config
    for name, value in original.state_dict().items():
        assert torch.equal(made.state_dict()[name], value)


def test_the_export_lies_beside_the_checkpoint_unless_told_otherwise(run: Run, tmp_path: Path) -> None:
    (tmp_path / "authors.pth").write_bytes((GOLDEN / "lmliif.pth").read_bytes())
    assert run("import", "authors.pth").status == 0
    assert load(tmp_path / "authors.safetensors").config["decoder"]["name"] == "lm-liif"


def test_half_precision_halves_the_file_and_rounds_the_weights(run: Run, tmp_path: Path) -> None:
    single, half = tmp_path / "single.safetensors", tmp_path / "half.safetensors"
    assert run("import", GOLDEN / "liif.pth", "--output", single).status == 0
    assert run("import", GOLDEN / "liif.pth", "--output", half, "--half").status == 0
    assert half.stat().st_size < 0.51 * single.stat().st_size
    rounded = load(half).state_dict()
    for name, value in load(single).state_dict().items():
        assert torch.equal(rounded[name], value.half().float())


def test_of_a_training_run_with_averaged_weights_the_average_is_imported(run: Run, tmp_path: Path) -> None:
    tiny = ("sampling.patch=8", "sampling.queries=16", "batch_size=2", "workers=0", "scale=2", "lr_size=[4,4]")
    arguments = (
        *tiny,
        "encoder.n_resblocks=1",
        "encoder.n_feats=8",
        "callbacks=[default,ema]",
        "callbacks.ema.decay=0.5",
    )
    trainer = ("trainer.max_steps=2", "trainer.accelerator=cpu", "hydra.run.dir=run", "logger=csv", "optimizer.lr=0.1")
    outcome = run("train", *arguments, *trainer)
    assert outcome.status == 0, outcome.err
    assert run("import", "run/last.ckpt", "--output", "mine.safetensors").status == 0
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    trained = state["current_model_state"]["model.encoder.head.weight"]
    made = load(tmp_path / "mine.safetensors").state_dict()["encoder.head.weight"]
    assert torch.equal(made, state["state_dict"]["model.encoder.head.weight"])
    assert not torch.equal(made, trained)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing.pth"], "there is no checkpoint file 'missing.pth'"),
        ([str(GOLDEN / "liif.pth"), "-o", "model.pth"], "cannot write model.pth: an export's suffix is .safetensors"),
    ],
)
def test_bad_arguments(run: Run, arguments: list[str], told: str) -> None:
    outcome = run("import", *arguments)
    assert outcome.status == 2
    assert told in outcome.error


def test_an_export_is_not_replaced_by_itself(run: Run, checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    outcome = run("import", checkpoint)
    assert outcome.status == 2
    assert "would replace the file it is made from" in outcome.error
    assert checkpoint.read_bytes() == before


def rlfn_file(path: Path) -> None:
    """Weights in the layout of RLFN's repository: one block of 16 channels."""
    sizes = {"conv_1": (16, 3, 3, 3), "conv_2": (16, 16, 3, 3), "upsampler.0": (12, 16, 3, 3)}
    sizes |= {f"block_1.{name}": (16, 16, 3, 3) for name in ("c1_r", "c2_r", "c3_r", "esa.conv2", "esa.conv3")}
    sizes |= {f"block_1.{name}": (16, 16, 1, 1) for name in ("c5", "esa.conv1", "esa.conv_f", "esa.conv4")}
    seeded = torch.Generator().manual_seed(0)
    weights = {f"{name}.weight": torch.rand(size, generator=seeded) - 0.5 for name, size in sizes.items()}
    torch.save(weights | {f"{name}.bias": torch.rand(size[0], generator=seeded) for name, size in sizes.items()}, path)


TINY_TRAINING = (
    "train",
    "decoder=lm-liif",
    "sampling.patch=8",
    "sampling.queries=16",
    "batch_size=2",
    "workers=0",
    "scale=2",
)


def test_an_encoder_alone_is_what_training_begins_with(run: Run, tmp_path: Path) -> None:
    rlfn_file(tmp_path / "rlfn.pth")
    outcome = run("import", "rlfn.pth", "--without-esa")
    assert outcome.status == 0, outcome.err
    assert "encoder: rlfn (n_blocks 1, n_feats 16, esa False)" in outcome.out
    options = ("encoder=rlfn", "encoder.n_blocks=1", "encoder.n_feats=16", "lr_size=[4,4]", "logger=[]", "seed=3")
    trained = run(*TINY_TRAINING, *options, "init=rlfn.safetensors", "optimizer.lr=0", "trainer.max_steps=1")
    assert trained.status == 0, trained.err
    (checkpoint,) = tmp_path.glob("outputs/train/*/last.ckpt")
    _, given = read(tmp_path / "rlfn.safetensors")
    kept = load(checkpoint).state_dict()
    assert all(torch.equal(kept[name], weight) for name, weight in given.items())


def test_an_encoder_alone_is_no_model(run: Run, tmp_path: Path) -> None:
    rlfn_file(tmp_path / "rlfn.pth")
    assert run("import", "rlfn.pth").status == 0
    error = run("profile", "ckpt=rlfn.safetensors").error
    assert "rlfn.safetensors holds an encoder alone: train a decoder behind it" in error


def test_only_an_encoder_with_attention_can_leave_it_out(run: Run) -> None:
    outcome = run("import", GOLDEN / "liif.pth", "--output", "model.safetensors", "--without-esa")
    assert "holds no encoder alone with attention" in outcome.error
