"""The trade-off of CMSR, from the records of a sweep over scales and thresholds: a table and a figure.

python experiments/02-cmsr/report.py RUNS OUTPUT
"""

import sys
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from lmf_sr.atomic import replacing, write_text
from lmf_sr.results.plots import COLOURS, MARKERS
from lmf_sr.results.records import Metrics, read_record
from lmf_sr.results.table import Table


class Case(NamedTuple):
    scale: float
    threshold: float
    metrics: Metrics


HEADER = (
    "scale", "MSE asked for", "MSE found", "PSNR (dB)", "PSNR lost (dB)", "pixels in full (%)",
    "MACs saved (%)", "MACs saved, plain (%)", "time saved (%)", "time / MACs",
)  # fmt: skip


def main(runs: Path, output: Path) -> None:
    """Writes a table, NAME.md and NAME.csv, and a figure, NAME.png, where NAME is that of the folder of runs."""
    cases, full_psnr = read(runs)
    lines = [cells(case, full_psnr[case.scale]) for case in cases]
    table = Table.of_text(HEADER, lines)
    for suffix, text in ((".md", table.markdown()), (".csv", table.csv())):
        write_text(output / f"{runs.name}{suffix}", text)
    draw(cases, full_psnr, output / f"{runs.name}.png")


def read(runs: Path) -> tuple[list[Case], dict[float, float]]:
    """The cases with CMSR, by scale and threshold; and the PSNR of the full rendering at each scale."""
    cases, full_psnr = [], {}
    for path in runs.rglob("result.json"):
        record = read_record(path)
        threshold = record.configuration["cmsr"]["mse_threshold"]
        for result in chain.from_iterable(record.results.values()):
            if threshold is None:
                full_psnr[result.scale] = result.metrics["psnr"]
            else:
                cases.append(Case(result.scale, threshold, result.metrics))
    return sorted(cases, key=lambda case: case[:2]), full_psnr


def cells(case: Case, full_psnr: float) -> list[str]:
    """A row of the table."""
    m = case.metrics
    time_of_macs = m["time_saved"] / m["macs_saved"] if m["macs_saved"] > 0 else float("nan")
    return [
        f"x{case.scale:g}",
        f"{case.threshold:.0e}",
        f"{m['cmsr_mse']:.1e}",
        f"{m['psnr']:.3f}",
        f"{full_psnr - m['psnr']:.3f}",
        f"{100 * m.get('share_full', 0.0):.1f}",
        f"{100 * m['macs_saved']:.1f}",
        f"{100 * m['macs_saved_plain']:.1f}",
        f"{100 * m['time_saved']:.1f}",
        f"{time_of_macs:.2f}",
    ]


def draw(cases: list[Case], full_psnr: dict[float, float], path: Path) -> None:
    """Precision, PSNR lost, and MACs (dashed) and time (solid) saved, against the threshold; a line for each scale."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    precision, quality, saving = figure.subplots(1, 3)
    for scale, colour, marker in zip(sorted(full_psnr), COLOURS, MARKERS, strict=False):
        own = [case for case in cases if case.scale == scale]
        x = [case.threshold for case in own]
        look = {"color": colour, "marker": marker, "markersize": 5, "linewidth": 1.5}
        precision.plot(x, [case.metrics["cmsr_mse"] for case in own], label=f"x{scale:g}", **look)
        quality.plot(x, [full_psnr[scale] - case.metrics["psnr"] for case in own], **look)
        saving.plot(x, [100 * case.metrics["time_saved"] for case in own], **look)
        saving.plot(x, [100 * case.metrics["macs_saved"] for case in own], **look | {"linestyle": "--"})
    thresholds = sorted({case.threshold for case in cases})
    precision.plot(thresholds, thresholds, color="#888888", linewidth=1)
    precision.set(ylabel="MSE from the full rendering", yscale="log")
    quality.set(ylabel="PSNR lost (dB)")
    saving.set(ylabel="decoder: time, MACs (dashed) saved (%)")
    for ax in (precision, quality, saving):
        ax.set(xlabel="MSE asked for", xscale="log")
        ax.set_xticks(thresholds, [f"{threshold:.0e}" for threshold in thresholds], rotation=30)
        ax.minorticks_off()
        ax.grid(color="#dddddd", linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(full_psnr), frameon=False)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
