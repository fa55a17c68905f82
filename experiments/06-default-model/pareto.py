"""PSNR against seconds, picture to pixels, of every model that ships and of bicubic; see README.md.

python experiments/06-default-model/pareto.py BENCHMARK OUTPUT_FOLDER [--models NAME_OR_FILE ...] [--rounds N]

BENCHMARK holds Set5 and Set14. Seconds are for an LR picture of 180 x 320 at x4, encoding included, the least of N rounds in
which every model has its turn. Writes table.md and pareto.svg.
"""

import argparse
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure
from rich.progress import track

import lmf_sr
from lmf_sr.atomic import replacing, write_text
from lmf_sr.checkpoints import shipped_models
from lmf_sr.data import Benchmark
from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.evaluation.metrics import BENCHMARK_RGB
from lmf_sr.evaluation.quality import Upscaler, evaluate
from lmf_sr.results.table import Table

SCALES = 2.0, 3.0, 4.0, 6.0, 8.0
SHOWN = 4.0  # scale of the figure and of the seconds
LR_SIZE = 180, 320


def main() -> None:
    """Measures, and writes the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--models", nargs="+", default=shipped_models())
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    models: dict[str, Upscaler] = {"bicubic": Bicubic()} | {
        Path(name).stem: lmf_sr.load(name) for name in options.models
    }

    seconds = fastest(models, options.rounds)
    sets = Benchmark(options.benchmark, ["Set5", "Set14"]).evaluation()
    psnr = {
        (name, images.name, scale): evaluate(model, images, scale, BENCHMARK_RGB).metrics["psnr"]
        for name, model in track(models.items())
        for images in sets
        for scale in SCALES
    }
    columns = ["model", "s", *(f"{images.name} x{scale:g}" for images in sets for scale in SCALES)]
    rows = [
        [
            name,
            f"{seconds[name]:.3f}",
            *(f"{psnr[name, images.name, scale]:.2f}" for images in sets for scale in SCALES),
        ]
        for name in models
    ]
    table = Table.of_text(columns, rows).markdown()
    write_text(options.output / "table.md", table)
    draw(seconds, {name: psnr[name, "Set5", SHOWN] for name in models}, options.output / "pareto.svg")
    print(table, end="")


@torch.inference_mode()
def fastest(models: dict[str, Upscaler], rounds: int) -> dict[str, float]:
    """The least seconds of each model, picture to pixels."""
    lr = torch.rand(3, *LR_SIZE, generator=torch.Generator().manual_seed(0))
    size = [round(SHOWN * side) for side in LR_SIZE]
    best = dict.fromkeys(models, float("inf"))
    for _ in range(rounds + 1):  # the first warms up
        for name, model in models.items():
            start = time.perf_counter()
            model.encode(lr).render(*size)
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def draw(seconds: dict[str, float], psnr: dict[str, float], path: Path) -> None:
    """The figure: a point for each model, and the front that no model is better and faster than."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot(
        xscale="log", xlabel="seconds, picture to pixels, 180 x 320 at x4", ylabel="PSNR on Set5 at x4, dB"
    )
    order = sorted(seconds, key=lambda name: seconds[name])
    front = [name for i, name in enumerate(order) if psnr[name] > max((psnr[other] for other in order[:i]), default=0)]
    axes.step([seconds[name] for name in front], [psnr[name] for name in front], where="post", color="0.7", zorder=1)
    for name in order:
        axes.scatter(seconds[name], psnr[name], color="C0" if name in front else "C1", zorder=2)
        axes.annotate(name, (seconds[name], psnr[name]), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.margins(x=0.25, y=0.12)
    axes.grid(alpha=0.3)
    with replacing(path) as file:
        figure.savefig(file, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
