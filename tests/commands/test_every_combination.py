"""Every encoder with every decoder, through the commands: trains, resumes, evaluates, profiles and upscales."""

from pathlib import Path

import pytest
import torch
from command_line import Run

from lmf_sr.checkpoints import load
from lmf_sr.images import Picture, read_picture, write_picture
from lmf_sr.results.records import read_record

ENCODERS = {
    "edsr-baseline": {"n_resblocks": 1, "n_feats": 8},
    "rdn-small": {"n_blocks": 1, "n_layers": 2, "growth": 4, "n_feats": 8},
    "swinir": {"n_blocks": 1, "n_layers": 2, "dim": 8, "heads": 2, "window": 4, "out_dim": 8},
}
CONVERTED = {"depth": 2, "code_dim": 8, "hidden": 16}
DECODERS = {
    "liif": {"width": 16, "depth": 2},
    "lte": {"width": 16, "depth": 2, "fourier_dim": 16},
    "ciaosr": {"width": 16, "depth": 2},
    "lm-liif": CONVERTED,
    "lm-lte": {**CONVERTED, "fourier_dim": 16},
    "lm-ciaosr": {**CONVERTED, "attention_width": 16},
}


@pytest.fixture(autouse=True)
def photographs(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        rgb = torch.rand(3, 37, 41, generator=torch.Generator().manual_seed(seed))
        write_picture(tmp_path / "photos" / f"{seed}.png", Picture(rgb))


def last(folder: Path) -> tuple[int, dict[str, torch.Tensor]]:
    """The step and the weights of a run."""
    step = torch.load(folder / "last.ckpt", weights_only=True)["global_step"]
    return step, load(folder / "last.ckpt").state_dict()


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_combination(run: Run, tmp_path: Path, encoder: str, decoder: str) -> None:
    model = [f"encoder={encoder}", *(f"encoder.{key}={value}" for key, value in ENCODERS[encoder].items())]
    model += [f"decoder={decoder}", *(f"decoder.{key}={value}" for key, value in DECODERS[decoder].items())]
    data = ["data=folder", "data.root=photos", "data.held_out=1", "scale=2"]
    train = ["train", *model, *data, "sampling.patch=8", "sampling.queries=16", "batch_size=2"]
    train += ["workers=0", "lr_size=[8,8]", "logger=csv", "trainer.accelerator=cpu"]
    train += ["~callbacks.macs", "~callbacks.latency", "~callbacks.crops"]  # for speed: `profile` counts and times

    assert run(*train, "trainer.max_steps=1", "hydra.run.dir=run").status == 0
    step, trained = last(tmp_path / "run")
    assert step == 1
    assert run(*train, "trainer.max_steps=2", "ckpt=run/last.ckpt", "hydra.run.dir=run").status == 0
    step, resumed = last(tmp_path / "run")
    assert step == 2
    learnt = [name for name, weight in trained.items() if not torch.equal(weight, resumed[name])]
    assert any(name.startswith("encoder.") for name in learnt)
    assert any(name.startswith("decoder.") for name in learnt)

    assert run("evaluate", "ckpt=run/last.ckpt", *data, "hydra.run.dir=scores").status == 0
    ((scores,),) = read_record(tmp_path / "scores" / "result.json").results.values()
    assert 0 < scores.metrics["psnr"] < 100

    assert run("profile", "ckpt=run/last.ckpt", "scale=2", "lr_size=[9,7]", "hydra.run.dir=costs").status == 0
    ((costs,),) = read_record(tmp_path / "costs" / "result.json").results.values()
    assert costs.metrics["decoder_parameters"] == sum(p.numel() for p in load("run/last.ckpt").decoder.parameters())
    assert costs.metrics["decoder_ms"] > 0

    upscaled = run("upscale", "photos/0.png", "--scale", "1.5", "-o", "large.png", "--model", "run/last.ckpt")
    assert upscaled.status == 0
    expected = load("run/last.ckpt").encode(read_picture(tmp_path / "photos" / "0.png").rgb).render(56, 62)[0]
    assert (read_picture(tmp_path / "large.png").rgb - expected).abs().max() <= 0.5 / 255 + 1e-6
