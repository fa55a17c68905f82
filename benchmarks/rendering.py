"""`make bench`: decoding on the CPU, every renderer side by side in one run; results in `benchmarks/results/`.

For each conversion and scale, one 180 x 320 photograph with random weights, from its features to pixels, `prepare` included:

    plain      the authors' way (`plain.py`): U(F) materialised, each corner of every pixel given its row of the latent MLP's
               output and the whole modulated render MLP, 30 000 pixels at once. (Their code looks rows up by `grid_sample`
               in a channels-first tensor, which takes longer than the look-up by index here: ratios to theirs are no
               smaller.)
    direct     the factored form of it, still one query per pixel
    PyTorch    the blocked renderer without a compiler
    blocked    the blocked renderer as it is chosen here

The ways alternate, round by round, so that whatever else the machine does hits all of them; a time is the least of its
rounds, a ratio one of such times. (Medians are in the JSON.) Memory and pixels are those of a first round that is not timed;
the pixels are compared with the direct path's. A run may be done in parts, decoder by decoder or scale by scale (`--add`).

*GEMM rate.* What a decode must multiply (each corner's render MLP, the latent MLP as convolutions, the last layer once per
pixel: `profiling.decoder_macs`) per second, over the rate of a large float32 matrix product (`lmf_sr.linear`) measured in
the same run. Above 100 % products were saved that this count holds: the convolution has a shorter algorithm
(`kernels/winograd.h`), and what relu makes zero need not be multiplied (`kernels/render.c`), which depends on the picture
and the weights.

*Memory.* The most that a decode holds at any time beyond what there was before, less the output itself.
"""

import argparse
import ctypes
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.record import RESULTS, begun, write
from lmf_sr import build
from lmf_sr.geometry import Grid
from lmf_sr.images import embedded_photographs
from lmf_sr.linear import linear
from lmf_sr.model import ContinuousImage, Model
from lmf_sr.plain import plain_form
from lmf_sr.profiling import decoder_macs
from lmf_sr.rendering.blocked import Blocked
from lmf_sr.rendering.budget import QUERY, Budget
from lmf_sr.rendering.value_range import PIXELS
from lmf_sr.results.table import Table

LR_SIZE = (180, 320)
PHOTOGRAPH = "coffee"
SCALES = (2.0, 2.7, 4.0, 8.0)
DECODERS = ("lm-liif", "lm-lte", "lm-ciaosr")
ROUNDS = 2
FAST_PER_ROUND = 5  # of the ways that take milliseconds, so many times each round
HEADER = ("output", "way", "s", "× plain", "× direct", "of GEMM rate", "memory, MB", "difference")
AUTHORS_QUERIES = 30000  # pixels that the authors' code renders at once
GEMM = (2048, 2048, 2048), (1280, 208, 208), (2048, 256, 576)


def ways(image: ContinuousImage, size: tuple[int, int]) -> dict[str, Callable[[], Tensor]]:
    """The ways to decode an encoded picture."""
    model = image.model
    plain = Model(model.encoder, plain_form(model.decoder), model.config)
    in_plain_form = image.encoded._replace(decoder=plain.decoder)
    as_the_authors = ContinuousImage(plain, in_plain_form, Budget(queries_on_cpu=AUTHORS_QUERIES * QUERY))

    @torch.inference_mode()
    def without_compiler() -> Tensor:
        out = torch.empty(1, 3, *size)
        renderer = Blocked(model.decoder, image.encoded.features, use_compiled=False)
        for _ in renderer.bands(image.encoded, Grid.over(*size), PIXELS, out):
            pass
        return out

    return {
        "plain": lambda: as_the_authors.render(*size, renderer="direct"),
        "direct": lambda: image.render(*size, renderer="direct"),
        "PyTorch": without_compiler,
        "blocked": lambda: image.render(*size, renderer="blocked"),
    }


def measure(image: ContinuousImage, scale: float, rounds: int) -> dict[str, Any]:
    """Everything about one decoder at one scale."""
    h, w = image.size
    size = round(h * scale), round(w * scale)
    found = ways(image, size)
    decoded, memory = {}, {}
    for name, decode in found.items():
        decoded[name], peak = with_peak_memory(decode)
        memory[name] = peak - decoded[name].nbytes
    error = {name: float((pixels - decoded["direct"]).abs().max()) for name, pixels in decoded.items()}
    del decoded
    times: dict[str, list[float]] = {name: [] for name in found}
    rates = []
    for _ in range(rounds):
        rates.append(gemm_rate())
        for name, decode in found.items():
            for _ in range(FAST_PER_ROUND if name == "blocked" else 1):
                begin = time.perf_counter()
                decode()
                times[name].append(time.perf_counter() - begin)
    macs = decoder_macs(image.model, (h, w), plain=False).for_pixels(size[0] * size[1])
    least = {name: min(measured) for name, measured in times.items()}
    return {
        "size": size,
        "scale": scale,
        "form": image.renderer().form,
        "macs": macs,
        "gemm_macs_per_s": max(rates),
        "seconds": least,
        "median_seconds": {name: statistics.median(measured) for name, measured in times.items()},
        "times_faster_than": {
            reference: {name: least[reference] / seconds for name, seconds in least.items()}
            for reference in ("plain", "direct")
        },
        "of_gemm_rate": {name: macs / seconds / max(rates) for name, seconds in least.items()},
        "memory_bytes": memory,
        "error": error,
    }


def gemm_rate() -> float:
    """Multiply-accumulates per second of the fastest large matrix product."""
    best = 0.0
    for m, n, k in GEMM:
        a, b = torch.rand(m, k), torch.rand(n, k)
        for _ in range(20):
            begin = time.perf_counter()
            linear(a, b)
            best = max(best, m * n * k / (time.perf_counter() - begin))
    return best


def with_peak_memory(run: Callable[[], Tensor]) -> tuple[Tensor, int]:
    """Runs it; returns its result and the most bytes resident meanwhile beyond those before (0 where not on Linux)."""
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return run(), 0
    ctypes.CDLL(None).malloc_trim(0)  # what is kept of earlier runs would be counted as there before
    reset.write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    return run(), _status("VmHWM") - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def report(record: dict[str, Any]) -> str:
    """The results as Markdown."""
    env = record["environment"]
    rate = max(row["gemm_macs_per_s"] for row in record["results"])
    lines = [
        f"# Decoding {record['lr_size'][0]} x {record['lr_size'][1]} pictures on a CPU",
        "",
        f"{env['hardware']['processor']}, {env['hardware']['threads']} threads, torch {env['versions']['torch']}, revision "
        f"{env['revision']}, {record['date']}. Large matrix products reach {rate / 1e9:.0f} GMAC/s.",
        "",
        *(f"    {command}" for command in record["commands"]),
        "",
        "Seconds from features to pixels, the latent MLP included; how many times faster than the plain form, which",
        "is how the authors compute (U(F) materialised, a row of modulations fetched and the whole render MLP run at",
        "each corner of every pixel, 30 000 pixels at once), and than the direct one, which is factored, 2048 pixels at",
        "once; the decoder's necessary products per second over the rate of large matrix products; memory beyond the",
        "output; the largest difference from the direct path.",
        "(`benchmarks/rendering.py` says what exactly is measured.)",
        "",
    ]
    for name in dict.fromkeys(row["decoder"] for row in record["results"]):
        rows = [row for row in record["results"] if row["decoder"] == name]
        lines += [
            f"## {name}",
            "",
            f"Blocked is {rows[0]['form']}.",
            "",
        ]
        cells = [
            [
                f"{row['size'][1]} x {row['size'][0]} (x{row['scale']:g})",
                way,
                f"{seconds:.3f}",
                f"{row['times_faster_than']['plain'][way]:.1f}",
                f"{row['times_faster_than']['direct'][way]:.1f}",
                f"{row['of_gemm_rate'][way]:.0%}",
                f"{row['memory_bytes'][way] / 1e6:.0f}",
                f"{row['error'][way]:.0e}",
            ]
            for row in rows
            for way, seconds in row["seconds"].items()
        ]
        lines.append(Table.of_text(HEADER, cells, labels=2).markdown())
    return "\n".join(lines)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rendering", description="Decoding on a CPU.")
    parser.add_argument("--scales", type=float, nargs="+", default=SCALES)
    parser.add_argument("--decoders", nargs="+", default=DECODERS, choices=DECODERS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--add", action="store_true", help="keep what earlier runs have measured otherwise")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the folder of the results")
    return parser.parse_args(arguments)


@torch.inference_mode()
def main(arguments: Sequence[str]) -> None:
    options = parsed(arguments)
    h, w = LR_SIZE
    picture = embedded_photographs((PHOTOGRAPH,))[PHOTOGRAPH][:, :h, :w] / 255
    record: dict[str, Any] = {
        **begun(commands=[" ".join(["python -m benchmarks.rendering", *arguments])]),
        "lr_size": LR_SIZE,
        "results": [],
    }
    data = options.output / "cpu-rendering.json"
    if options.add and data.exists():
        earlier = json.loads(data.read_text())
        record["commands"] = earlier["commands"] + record["commands"]
        record["results"] = earlier["results"]
    for name in options.decoders:
        torch.manual_seed(0)
        image = build("edsr-baseline", name).eval().encode(picture)
        for scale in options.scales:
            row = {"decoder": name, **measure(image, scale, options.rounds)}
            others = [r for r in record["results"] if (r["decoder"], r["scale"]) != (name, scale)]
            record["results"] = sorted([*others, row], key=lambda r: (DECODERS.index(r["decoder"]), r["scale"]))
            times = row["times_faster_than"]["plain"]["blocked"]
            print(
                f"{name} x{scale:g}: {row['seconds']['blocked']:.3f} s, {times:.1f} times faster than plain", flush=True
            )
            write(record, report(record), data)


if __name__ == "__main__":
    main(sys.argv[1:])
