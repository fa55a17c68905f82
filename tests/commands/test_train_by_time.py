"""`experiment=gpu`, tried on a CPU, ends by time, makes its samples on the device, and keeps its result."""

from pathlib import Path

import numpy as np
import torch
from command_line import Run
from PIL import Image

TINY = [
    "encoder.n_resblocks=1",
    "encoder.n_feats=8",
    "sampling.patch=8",
    "sampling.queries=32",
    "batch_size=2",
    "workers=0",
]


def test_the_recipe_for_gpus_ends_by_time(run: Run, tmp_path: Path) -> None:
    photographs = tmp_path / "photos"
    photographs.mkdir()
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(256, size=(48, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photographs / f"{seed}.png")
    trained = run(
        *["train", "experiment=gpu", "data.root=photos", "data.held_out=1", "scale=2", "logger=csv", "lr_size=[8,8]"],
        *["trainer.accelerator=cpu", "trainer.max_time=00:00:00:03", "hydra.run.dir=run", *TINY],
    )
    assert trained.status == 0, trained.err
    checkpoint = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert 0 < checkpoint["global_step"] < 1_000_000
    rate = checkpoint["optimizer_states"][0]["param_groups"][0]["lr"]
    assert rate < 0.3 * 2e-3  # it has fallen nearly to its end
