"""Sweeps over the width of the render MLP, and plots PSNR against multiply-accumulates.

    python examples/sweep_plot.py sweep/ --widths 4 8 16 32 --steps 500

Jobs that are done already are not run again, so the sweep can be stopped, and grown by further widths.
"""

import argparse
import subprocess
from pathlib import Path

from matplotlib.figure import Figure

from lmf_sr.results.records import read_record

SCALE = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()

    widths = ",".join(map(str, options.widths))
    command = [
        "lmf-sr",
        "train",
        "-m",
        "experiment=demo",
        f"decoder.width={widths}",
        f"trainer.max_steps={options.steps}",
    ]
    subprocess.run([*command, f"scale={SCALE}", f"hydra.sweep.dir={options.output}"], check=True)

    points = []
    for path in options.output.glob("*/result.json"):
        record = read_record(path)
        (results,) = record.results.values()
        metrics = {name: value for result in results for name, value in result.metrics.items()}
        points.append((metrics["decoder_macs"] / 1e9, metrics["psnr"], record.settings["decoder.width"]))
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot(xlabel="decoder, G multiply-accumulates", ylabel=f"PSNR at x{SCALE}, dB")
    macs, psnr, labels = zip(*sorted(points), strict=True)
    axes.plot(macs, psnr, "o-")
    for point in zip(labels, macs, psnr, strict=True):
        axes.annotate(f"width {point[0]}", point[1:], xytext=(4, -12), textcoords="offset points")
    figure.savefig(options.output / "width.png")
    print(f"written: {options.output / 'width.png'}")


if __name__ == "__main__":
    main()
