"""Trains a small model on your own pictures, and upscales one of them with it.

    python examples/train_own.py photos/ model/ --steps 2000

It runs the command that you would type, so everything that it leaves is there: checkpoints, logs, result.json. Pictures
need 128 pixels a side.
"""

import argparse
import subprocess
from pathlib import Path

import lmf_sr

RECIPE = (
    "encoder=edsr-tiny",
    "decoder=lm-liif",
    "optimizer=muon",
    "schedule=onecycle",
    "sampling.patch=32",
    "sampling.queries=1024",
    "batch_size=4",
    "trainer.gradient_clip_val=1.0",
    "scale=2",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--held-out", type=int, default=2, help="pictures to validate on")
    options = parser.parse_args()

    data = ("data=folder", f"data.root={options.photos}", f"data.held_out={options.held_out}")
    length = (f"trainer.max_steps={options.steps}", f"trainer.val_check_interval={min(options.steps, 500)}")
    subprocess.run(["lmf-sr", "train", *RECIPE, *data, *length, f"hydra.run.dir={options.output}"], check=True)

    picture = next(path for path in sorted(options.photos.iterdir()) if path.is_file())
    written = lmf_sr.upscale(
        picture, 2, output=options.output / f"{picture.stem}_x2.png", model=options.output / "last.ckpt", overwrite=True
    )
    print(f"written: {written}")


if __name__ == "__main__":
    main()
