"""Widths, depths and codes of LM-LIIF and LM-LTE behind one frozen encoder; see README.md.

PYTHONPATH=experiments python experiments/07-width/run.py train RLFN PHOTOGRAPHS BENCHMARK RUNS [--seeds N] [NAME ...]
PYTHONPATH=experiments python experiments/07-width/run.py report RUNS experiments/07-width

RLFN is the public encoder as `lmf-sr import` writes it, PHOTOGRAPHS a store of `lmf-sr prepare`, RUNS a folder for the
stream of samples and for what is found. A name is METHOD WIDTH/DEPTH/CODE/LATENT; without names every decoder is trained.
What is in RUNS is not trained again.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from frozen import SCALES, Stream, cost, encoder_of, latencies, pictures, quality, recorded, step_seconds, train
from matplotlib.figure import Figure

from lmf_sr.atomic import write_text
from lmf_sr.building import build
from lmf_sr.decoders.base import Decoder
from lmf_sr.model import Model
from lmf_sr.profiling import count_decoder_macs, count_parameters
from lmf_sr.results.plots import COLOURS, MARKERS, save
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    training = verbs.add_parser("train")
    for name in ("weights", "photographs", "benchmark", "runs"):
        training.add_argument(name, type=Path)
    training.add_argument("names", nargs="*", metavar="NAME")
    training.add_argument("--seeds", type=int, default=1)
    reporting = verbs.add_parser("report")
    reporting.add_argument("runs", type=Path)
    reporting.add_argument("output", type=Path)
    options = parser.parse_args()
    if options.verb == "train":
        train_all(options)
    else:
        report(options.runs / "width", options.output)


def makers() -> dict[str, Callable[[], Decoder]]:
    """What makes each decoder, by its name."""
    return {
        name_of(method, size): partial(decoder_of, method, *size) for method, sizes in SIZES.items() for size in sizes
    }


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
    reference = seconds[name_of("LM-LIIF", PAPER["LM-LIIF"])]
    for seed in range(options.seeds):
        for name in options.names or every:
            ends = {STEPS: KINDS[0], min(round(STEPS * reference / seconds[name]), STREAM): KINDS[1]}

            def found(name: str = name, ends: dict[int, str] = ends, seed: int = seed) -> Any:
                return {
                    end: quality(decoder, measured) for end, decoder in train(every[name], stream, [*ends], seed)
                }

            psnr = recorded(folder / f"{name.replace('/', '-')} seed {seed}.json", found)
            print(name, seed, {end: round(statistics.mean(scores.values()), 3) for end, scores in psnr.items()}, flush=True)


def costs(every: dict[str, Callable[[], Decoder]]) -> dict[str, Any]:
    """What each decoder costs, by name."""
    decoders = {name: make().eval() for name, make in every.items()}
    milliseconds = latencies(decoders)
    return {name: cost(decoder, *milliseconds[name]) for name, decoder in decoders.items()}


if __name__ == "__main__":
    main()
