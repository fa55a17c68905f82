"""The gain of each part of the recipe: runs of equally many steps unlike `experiment=rlfn` in one part (README.md).

python experiments/06-default-model/parts.py RLFN_S.pth PHOTOS OTHERS BENCHMARK RUNS [--steps N] [lmf-sr train's overrides]

RLFN_S.pth holds RLFN-S's public weights, PHOTOS a folder that `lmf-sr prepare` made, OTHERS text, screenshots and charts,
BENCHMARK Set5. Every run leaves a folder in RUNS, and is not trained again while its folder is there. Writes parts.md.
"""

import argparse
import subprocess
from pathlib import Path

import torch
from torch import Tensor

import lmf_sr
from lmf_sr.atomic import write_text
from lmf_sr.data import Benchmark
from lmf_sr.evaluation.metrics import BENCHMARK_RGB
from lmf_sr.evaluation.quality import evaluate
from lmf_sr.evaluation.soundness import measured_patterns, tone_error
from lmf_sr.model import Model
from lmf_sr.results.table import Table

PLAIN, ATTENTIVE = "rlfn.safetensors", "rlfn-esa.safetensors"  # encoders that training begins with
PARTS = {
    "the recipe": [f"init={PLAIN}"],
    "the encoder at the pace of fresh weights": [f"init={PLAIN}", "callbacks=[default]"],
    "a fresh encoder": ["callbacks=[default]"],
    "RLFN's attention kept (ESA)": [f"init={ATTENTIVE}", "encoder.esa=true"],
    "photographs alone": [f"init={PLAIN}", "content.patterns=0", "content.pictures=0"],
    "no drawn patterns": [f"init={PLAIN}", "content.patterns=0"],
    "no pictures of other kinds": [f"init={PLAIN}", "content.pictures=0"],
    "the mean square as loss": [f"init={PLAIN}", "loss=mse"],
    "Adam": [f"init={PLAIN}", "optimizer=adam", "optimizer.lr=1e-3"],
}
SCALES = 2.0, 3.0, 4.0
DITHER = "error diffusion"  # its tones are the hardest, so it has a column of its own


def main() -> None:
    """Trains what is missing, measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("weights", "photographs", "others", "benchmark", "runs"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=900)
    options, overrides = parser.parse_known_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    for file, flags in ((PLAIN, ["--without-esa"]), (ATTENTIVE, [])):
        if not (options.runs / file).is_file():
            lmf_sr_command("import", str(options.weights), *flags, "--output", str(options.runs / file))

    columns = ["", "x2", "x3", "x4", "worst block", "worst block, error diffusion"]
    rows: list[list[str]] = []
    for number, (part, changes) in enumerate(PARTS.items()):
        folder = options.runs / f"{number}-{part.replace(' ', '-')}"
        if not (folder / "last.ckpt").is_file():
            lmf_sr_command(
                "train",
                "experiment=rlfn",
                f"hydra.run.dir='{folder}'",
                "data=store",
                f"data.root={options.photographs}",
                f"content.root={options.others}",
                "schedule=onecycle",
                f"trainer.max_steps={options.steps}",
                "trainer.max_time=null",
                *(change.replace("init=", f"init={options.runs}/") for change in changes),
                *overrides,
            )
        rows.append([part, *measured(lmf_sr.load(folder / "last.ckpt"), options.benchmark)])
        write_text(Path(__file__).with_name("parts.md"), Table.of_text(columns, rows).markdown())
    print(Table.of_text(columns, rows).markdown(), end="")


def lmf_sr_command(*arguments: str) -> None:
    """Runs one verb, and ends with it where it fails."""
    subprocess.run(["lmf-sr", *arguments], check=True)


@torch.inference_mode()
def measured(model: Model, benchmark: Path) -> list[str]:
    """PSNR on Set5 at each scale, and the worst blocks at x2 and x4: of all patterns but error diffusion, and of it."""
    (set5,) = Benchmark(benchmark, ["Set5"]).evaluation()
    psnr = [evaluate(model, set5, scale, BENCHMARK_RGB).metrics["psnr"] for scale in SCALES]
    blocks = {
        pattern: max(tone_error(lr, upscaled(model, lr, factor)) for factor in (2, 4))
        for pattern, lr in measured_patterns().items()
    }
    dither = blocks.pop(DITHER)
    return [*(f"{value:.2f}" for value in psnr), f"{max(blocks.values()):.1f}", f"{dither:.1f}"]


def upscaled(model: Model, lr: Tensor, factor: int) -> Tensor:
    """The SR picture, in [0, 1]."""
    _, height, width = lr.shape
    return model.encode(lr).render(factor * height, factor * width)[0]


if __name__ == "__main__":
    main()
