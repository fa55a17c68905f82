"""python -m benchmarks.gpu: see `__init__.py`."""

import argparse
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import decoding, measuring, pixels, saving, training
from benchmarks.gpu.report import failed, report, verdict, wrong
from benchmarks.gpu.running import Case, Part, Row, Setup, label, run
from benchmarks.record import RESULTS, begun, write
from lmf_sr.rendering.triton import triton_version

MINUTES = 4.0
RESERVE_S = 5.0  # to begin with, and to end with
PARTS = (
    Part("ceilings", 1, measuring.ceilings, measuring.measure_ceiling),
    Part("pixels", 5, pixels.cases, pixels.measure, processes=min(8, os.cpu_count() or 1)),
    Part("decoding", 6, decoding.cases, decoding.measure),
    Part("encoding", 1, decoding.encodings, decoding.measure_encoding),
    Part("samples", 1, training.samples, training.measure_samples),
    Part("steps", 3, training.steps, training.measure_steps),
    Part("cmsr", 2, saving.cases, saving.measure),
)
COMPILED = Part("compiled steps", 4, training.steps, training.measure_compiled_steps)
CHOICES = Part("choices", 4, decoding.choices, decoding.measure_choices)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description="All that a GPU has to tell, within a time limit: see benchmarks/gpu/__init__.py.",
        epilog="Exit status: 0, all is right; 1, a pixel is wrong or a measurement failed; 2, there is no GPU.",
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which it ends (default: %(default)g)")
    parser.add_argument("--parts", nargs="+", metavar="PART", choices=[part.name for part in (*PARTS, COMPILED, CHOICES)],
                        help="only these: %(choices)s")  # fmt: skip
    parser.add_argument("--sweep", action="store_true", help="also time the kernel's own choices")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu tries all of it without a GPU")
    parser.add_argument("--small", action="store_true", help="tiny sizes, for --device cpu: less than a minute")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the folder of the results (default: %(default)s)")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> list[Part]:
    """The parts to run. A CPU has no use for a compiled step, nor for choices of the GPU's kernel."""
    parts = [*PARTS, *([COMPILED] if options.device == "cuda" else []), *([CHOICES] if options.sweep else [])]
    if options.parts:
        parts = [part for part in (*PARTS, COMPILED, CHOICES) if part.name in options.parts]
    return parts


def measure(parts: Sequence[Part], setup: Setup, seconds: float, record: dict[str, Any], path: Path) -> int:
    """Runs parts and writes the record after each row; returns the exit status."""
    begin = time.monotonic()

    def written() -> None:
        record["seconds"] = time.monotonic() - begin
        write(record, report(record), path)

    def take(part: Part, case: Case, row: Row) -> None:
        record["rows"].append({"part": part.name, "case": case, **row})
        found = row.get("failure") or row.get("wrong") or "measured"
        print(f"{time.monotonic() - begin:5.1f} s  {part.name}, {label(case)}: {found}", flush=True)
        written()

    written()
    record["left_out"] = run(parts, setup, seconds, take)
    written()
    for sentence in verdict(record):
        print(sentence)
    return 1 if wrong(record) or failed(record) else 0


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("there is no CUDA GPU here: nothing was measured (--device cpu --small tries all of it)", file=sys.stderr)
        return 2
    # Lets Python ask whether there is a GPU before a process begins that uses it.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    record: dict[str, Any] = {
        **begun(command=" ".join(["python -m benchmarks.gpu", *arguments])),
        "triton": ".".join(map(str, triton_version())),
        "cuda": torch.version.cuda,
        "time_s": 60 * options.minutes,
        "rows": [],
        "left_out": [],
    }
    hardware = record["environment"]["hardware"]
    record["device"] = torch.cuda.get_device_name() if options.device == "cuda" else hardware["processor"]
    path = options.output / f"gpu-{'-'.join(re.findall('[a-z0-9]+', record['device'].lower()))}"
    options.output.mkdir(parents=True, exist_ok=True)
    setup = Setup(options.device, options.small)
    return measure(chosen(options), setup, 60 * options.minutes - RESERVE_S, record, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
