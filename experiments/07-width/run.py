"""Widths, depths and codes of LM-LIIF and LM-LTE behind one frozen encoder; see README.md.

PYTHONPATH=experiments python experiments/07-width/run.py train RLFN PHOTOGRAPHS BENCHMARK RUNS [--seeds N] [NAME ...]
PYTHONPATH=experiments python experiments/07-width/run.py report RUNS experiments/07-width

RLFN is the public encoder as `lmf-sr import` writes it, PHOTOGRAPHS a store of `lmf-sr prepare`, RUNS a folder for the
stream of samples and for what is found. A name is METHOD WIDTH/DEPTH/CODE/LATENT; without names every decoder is trained.
What is in RUNS is not trained again.
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from frozen import SCALES, Stream, costs, encoder_of, parsers, pictures, quality, recorded, step_seconds, train
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from lmf_sr.atomic import write_text
from lmf_sr.building import build
from lmf_sr.decoders.base import Decoder
from lmf_sr.results.plots import COLOURS, MARKERS, save
from lmf_sr.results.statistics import Spread
from lmf_sr.results.table import Table

STEPS = 1500  # of each decoder at equal steps, and of the paper's LM-LIIF at equal time
STREAM = 3200  # steps of the stream
PAPER = {"LM-LIIF": (16, 6, 16, 208), "LM-LTE": (16, 8, 32, 288)}
SIZES = {  # width and depth of the render MLP, size of the code, width of the latent MLP's hidden layer
    "LM-LIIF": [
        PAPER["LM-LIIF"],
        *((16, 6, 16, latent) for latent in (32, 64, 128, 416)),
        *((width, 6, 16, 208) for width in (8, 32)),
        *((16, depth, 16, 208) for depth in (2, 4, 8)),
        *((16, 6, code, 208) for code in (4, 64)),
        *((16, 2, 16, 64), (16, 4, 16, 96), (8, 4, 16, 96), (32, 2, 16, 128), (32, 4, 16, 208)),
    ],
    "LM-LTE": [
        PAPER["LM-LTE"],
        *((16, 8, 32, latent) for latent in (64, 128)),
        *((width, 8, 32, 288) for width in (8, 32)),
        *((16, depth, 32, 288) for depth in (2, 4)),
        *((16, 8, code, 288) for code in (16, 64)),
        (16, 4, 32, 128),
    ],
}
KINDS = "equal steps", "equal time"
COSTS = {"macs": "MACs", "ms": "ms", "pytorch_ms": "ms of PyTorch"}


def main() -> None:
    parser, training = parsers(__doc__)
    training.add_argument("--steps", type=int, default=STEPS, help="longer runs, at equal steps alone")
    options = parser.parse_args()
    if options.verb == "train":
        train_all(options)
    else:
        report(options.runs, options.output)


def makers() -> dict[str, Callable[[], Decoder]]:
    """The functions that make each decoder, by its name."""
    return {
        name_of(method, size): partial(decoder_of, method, *size) for method, sizes in SIZES.items() for size in sizes
    }


def folder_of(runs: Path, steps: int) -> Path:
    """The folder of the runs of so many steps."""
    return runs / ("width" if steps == STEPS else f"width {steps}")


def name_of(method: str, size: tuple[int, int, int, int]) -> str:
    return f"{method} {'/'.join(map(str, size))}"


def decoder_of(method: str, width: int, depth: int, code: int, latent: int) -> Decoder:
    options = {"name": method.lower(), "width": width, "depth": depth, "code_dim": code, "hidden": latent}
    return build("rlfn", options).decoder


def train_all(options: argparse.Namespace) -> None:
    """Trains what is missing, one decoder after the other."""
    encoder = encoder_of(options.weights)
    stream = Stream.made(options.runs / "stream", encoder, options.photographs, STREAM)
    measured = pictures(encoder, options.benchmark)
    folder, every = options.runs / "width", makers()
    seconds = recorded(folder / "seconds.json", lambda: step_seconds(every, stream, encoder))
    recorded(folder / "costs.json", lambda: costs(every))
    for seed in range(options.seeds):
        for name in options.names or every:
            ends = [STEPS, equal_time_steps(seconds, name)] if options.steps == STEPS else [options.steps]

            def found(name: str = name, ends: Sequence[int] = ends, seed: int = seed) -> Any:
                return {
                    end: quality(decoder, measured)
                    for end, decoder in train(every[name], stream, sorted({*ends}), seed)
                }

            psnr = recorded(
                folder_of(options.runs, options.steps) / f"{name.replace('/', '-')} seed {seed}.json", found
            )
            print(
                name,
                seed,
                {end: round(statistics.mean(scores.values()), 3) for end, scores in psnr.items()},
                flush=True,
            )


def equal_time_steps(seconds: dict[str, float], name: str) -> int:
    """The steps that a decoder takes in the time in which the paper's LM-LIIF takes STEPS."""
    return min(round(STEPS * seconds[name_of("LM-LIIF", PAPER["LM-LIIF"])] / seconds[name]), STREAM)


# The report


class Row(NamedTuple):
    """The findings about a decoder: its costs, its steps by kind, and by kind the PSNR of each seed."""

    name: str
    costs: dict[str, Any]
    steps: dict[str, int]
    psnr: dict[str, list[dict[str, float]]]

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def size(self) -> str:
        return self.name.partition(" ")[2]

    def mean(self, kind: str) -> Spread:
        """The mean PSNR of all scales."""
        return Spread.over([statistics.mean(scores.values()) for scores in self.psnr[kind]])


def found_in(folder: Path) -> list[Row]:
    """The decoders that are done."""
    costs_of, seconds = (json.loads((folder / f"{name}.json").read_text()) for name in ("costs", "seconds"))
    rows = []
    for name in makers():
        runs = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{name.replace('/', '-')} seed *.json"))]
        if runs:
            steps = dict(zip(KINDS, (STEPS, equal_time_steps(seconds, name)), strict=True))
            psnr = {kind: [run[str(count)] for run in runs] for kind, count in steps.items()}
            rows.append(Row(name, costs_of[name], steps, psnr))
    return rows


def front(rows: Sequence[Row], kind: str, cost: str) -> list[Row]:
    """The decoders that no other beats at the same cost or less, from the cheapest on."""
    best, found = -math.inf, []
    for row in sorted(rows, key=lambda row: (row.costs[cost], -row.mean(kind).mean)):
        if row.mean(kind).mean > best:
            best = row.mean(kind).mean
            found.append(row)
    return found


def longer(runs: Path) -> str:
    """The table of longer runs: the mean PSNR of all scales and seeds after each number of steps."""
    every = sorted(int(folder.name.split()[1]) for folder in runs.glob("width *"))
    lines = []
    for name in makers():
        cells = []
        for steps in every:
            files = sorted(folder_of(runs, steps).glob(f"{name.replace('/', '-')} seed *.json"))
            scores = [json.loads(file.read_text())[str(steps)] for file in files]
            cells += [
                f"{statistics.mean(run[f'x{scale}'] for run in scores):.2f}" if scores else "" for scale in SCALES
            ]
            cells.append(f"{statistics.mean(statistics.mean(run.values()) for run in scores):.3f}" if scores else "")
        if any(cells):
            lines.append([name, *cells])
    header = ["decoder", *(f"{key}, {steps} steps" for steps in every for key in (*(f"x{s}" for s in SCALES), "mean"))]
    return Table.of_text(header, lines).markdown()


def report(runs: Path, output: Path) -> None:
    """Writes a table for each method and kind, in table.md, that of longer runs, and the figure."""
    rows = found_in(runs / "width")
    parts = []
    for method, kind in product(SIZES, KINDS):
        ours = [row for row in rows if row.method == method]
        if not ours:
            continue
        fronts = {cost: front(ours, kind, cost) for cost in COSTS}
        header = [
            "width/depth/code/latent", "parameters (k)", "MACs (G)", "ms", "ms, PyTorch", "compiled", "steps",
            *(f"x{scale}" for scale in SCALES), "mean", *(f"front, {title}" for title in COSTS.values()),
        ]  # fmt: skip
        lines = []
        for row in sorted(ours, key=lambda row: row.costs["macs"]):
            its, spread = row.costs, row.mean(kind)
            lines.append([
                f"{row.size}{' (the paper)' if row.name == name_of(method, PAPER[method]) else ''}",
                f"{its['parameters'] / 1e3:.0f}",
                f"{its['macs'] / 1e9:.2f}",
                f"{its['ms']:.0f}",
                f"{its['pytorch_ms']:.0f}",
                {"compiled": "yes", "PyTorch, blocked": "no"}.get(its["form"], "render MLP alone"),
                str(row.steps[kind]),
                *(f"{statistics.mean(run[f'x{scale}'] for run in row.psnr[kind]):.2f}" for scale in SCALES),
                f"{spread.mean:.3f}" + (f" ± {spread.std:.3f} (of {spread.seeds} seeds)" if spread.seeds > 1 else ""),
                *("*" if row in found else "" for found in fronts.values()),
            ])  # fmt: skip
        parts.append(f"## {method}, {kind}\n\n{Table.of_text(header, lines).markdown()}")
    write_text(output / "table.md", "\n".join(parts))
    if any(runs.glob("width *")):
        write_text(output / "longer.md", longer(runs))
    draw(rows, output / "pareto.svg")
    print("\n".join(parts), end="")


def draw(rows: Sequence[Row], path: Path) -> None:
    """PSNR against MACs and milliseconds, at equal steps and at equal time, with each method's front.

    The paper's choices are filled.
    """
    units = {"macs": (1e9, "G MACs"), "ms": (1, "milliseconds")}
    figure = Figure(figsize=(11, 9), layout="constrained")
    panels = figure.subplots(len(KINDS), len(units))
    for (kind, (key, (unit, title))), axes in zip(product(KINDS, units.items()), panels.flat, strict=True):
        for method, colour, marker in zip(SIZES, COLOURS, MARKERS, strict=False):
            ours = [row for row in rows if row.method == method]
            if not ours:
                continue
            best = front(ours, kind, key)
            x, y = [row.costs[key] / unit for row in best], [row.mean(kind).mean for row in best]
            axes.step(x, y, where="post", color=colour, linewidth=1, zorder=1, label=method)
            for row in ours:
                at = row.costs[key] / unit, row.mean(kind).mean
                filled = colour if row.name == name_of(method, PAPER[method]) else "white"
                axes.scatter(*at, color=filled, edgecolors=colour, marker=marker, zorder=2)
                axes.annotate(row.size, at, xytext=(4, 3), textcoords="offset points", fontsize=6)
        axes.set(xscale="log", xlabel=title, ylabel=f"mean PSNR at {kind}, dB")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.12)
        axes.grid(color="#dddddd", linewidth=0.6)
    panels.flat[0].legend(frameon=False)
    save(figure, path)


if __name__ == "__main__":
    main()
