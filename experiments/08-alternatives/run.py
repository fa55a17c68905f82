"""LM-LIIF beside decoders without modulations, behind one frozen encoder; see README.md.

PYTHONPATH=experiments python experiments/08-alternatives/run.py train RLFN PHOTOGRAPHS BENCHMARK RUNS [--seeds N] [NAME ...]
PYTHONPATH=experiments python experiments/08-alternatives/run.py report RUNS experiments/08-alternatives

The arguments are those of experiments/07-width/run.py, with which RUNS may be shared: the stream of samples is the same.
What is in RUNS is not trained again.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from alternatives import CodeAlone, Depthwise, Polynomial, Shuffle
from frozen import SCALES, Stream, costs, encoder_of, parsers, pictures, quality, recorded, train

from lmf_sr.atomic import replacing, write_text
from lmf_sr.building import build
from lmf_sr.decoders.base import Decoder
from lmf_sr.decoders.liif import LIIF
from lmf_sr.results.statistics import Spread
from lmf_sr.results.table import Table

STEPS = 1500
STREAM = 3200  # steps of the stream
CHANNELS = 48  # of the encoder's features
TEACHER, PAPER = "LIIF, 256 wide", "LM-LIIF"
TAUGHT = "LIIF, 32 wide, taught by LIIF"


def lm_liif(**options: Any) -> Decoder:
    return build("rlfn", {"name": "lm-liif", **options}).decoder


DECODERS: dict[str, Callable[[], Decoder]] = {
    PAPER: lm_liif,
    "scale alone": lambda: lm_liif(modulation="scale", hidden=246),
    "shift alone": lambda: lm_liif(modulation="shift", hidden=246),
    "code alone": lambda: CodeAlone(CHANNELS, 300),
    "polynomial of degree 3": lambda: Polynomial(CHANNELS, [276]),
    "polynomial of degree 3, deeper": lambda: Polynomial(CHANNELS, [292, 240]),
    "pixel shuffle to x4, bicubic": lambda: Shuffle(CHANNELS, 276),
    "depthwise-separable at HR": lambda: Depthwise(CHANNELS, 272, 32, 4),
    "LIIF, 16 wide": lambda: LIIF(CHANNELS, 16),
    "LIIF, 32 wide": lambda: LIIF(CHANNELS, 32),
    "LIIF, 64 wide": lambda: LIIF(CHANNELS, 64),
    "LIIF, 150 wide": lambda: LIIF(CHANNELS, 150),
    TEACHER: lambda: LIIF(CHANNELS, 256),
    TAUGHT: lambda: LIIF(CHANNELS, 32),
}


def main() -> None:
    parser, _ = parsers(__doc__)
    options = parser.parse_args()
    if options.verb == "train":
        train_all(options)
    else:
        text = report(options.runs / "alternatives")
        write_text(options.output / "table.md", text)
        print(text, end="")


def train_all(options: argparse.Namespace) -> None:
    """Trains what is missing, one decoder after the other. The teacher's weights are kept."""
    encoder = encoder_of(options.weights)
    stream = Stream.made(options.runs / "stream", encoder, options.photographs, STREAM)
    measured = pictures(encoder, options.benchmark)
    folder = options.runs / "alternatives"
    folder.mkdir(parents=True, exist_ok=True)
    recorded(folder / "costs.json", lambda: costs(DECODERS))
    for seed in range(options.seeds):
        for name in options.names or DECODERS:
            teacher = DECODERS[TEACHER]() if name == TAUGHT else None
            if teacher is not None:
                teacher.load_state_dict(torch.load(weights_of(folder, TEACHER), weights_only=True))

            def found(name: str = name, seed: int = seed, teacher: Decoder | None = teacher) -> dict[str, float]:
                ((_, decoder),) = train(DECODERS[name], stream, [STEPS], seed, teacher)
                if name == TEACHER and seed == 0:
                    with replacing(weights_of(folder, name)) as file:
                        torch.save(decoder.state_dict(), file)
                return quality(decoder, measured)

            psnr = recorded(folder / f"{name} seed {seed}.json", found)
            print(name, seed, {scale: round(value, 2) for scale, value in psnr.items()}, flush=True)


def weights_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.pt"


def report(folder: Path) -> str:
    """A row for each decoder that is done: its costs, PSNR, and the mean of PSNR against LM-LIIF's of the same seeds."""
    costs_of = json.loads((folder / "costs.json").read_text())
    psnr = {name: [json.loads(path.read_text()) for path in seeds_of(folder, name)] for name in DECODERS}
    header = [
        "decoder", "parameters (k)", "MACs (G)", "ms", "ms, PyTorch", "seeds",
        *(f"x{scale}" for scale in SCALES), "mean, against LM-LIIF",
    ]  # fmt: skip
    rows = []
    for name, runs in psnr.items():
        if not runs:
            continue
        its, paper = costs_of[name], psnr[PAPER]
        against = Spread.over([mean(ours) - mean(theirs) for ours, theirs in zip(runs, paper, strict=False)])
        rows.append([
            name,
            f"{its['parameters'] / 1e3:.0f}",
            f"{its['macs'] / 1e9:.2f}",
            f"{its['ms']:.0f}",
            f"{its['pytorch_ms']:.0f}",
            str(len(runs)),
            *(f"{statistics.mean(run[f'x{scale}'] for run in runs):.2f}" for scale in SCALES),
            "" if name == PAPER else f"{against.mean:+.2f}" + (f" ± {against.std:.2f}" if against.seeds > 1 else ""),
        ])  # fmt: skip
    return Table.of_text(header, rows).markdown()


def seeds_of(folder: Path, name: str) -> list[Path]:
    """The files of a decoder's seeds, in their order."""
    return sorted(folder.glob(f"{name} seed *.json"))


def mean(psnr: dict[str, float]) -> float:
    return statistics.mean(psnr.values())


if __name__ == "__main__":
    main()
