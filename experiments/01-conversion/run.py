"""The cost of the three base methods and of their LMF conversions on one LR picture; see README.md.

python experiments/01-conversion/run.py count RESULTS METHOD [METHOD ...]    parameters and MACs; a record for each method
python experiments/01-conversion/run.py time RESULTS METHOD [METHOD ...]     latency; likewise
python experiments/01-conversion/run.py report RESULTS OUTPUT                costs.md, savings.md, efficiency.svg
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch

from lmf_sr import build
from lmf_sr.atomic import write_text
from lmf_sr.evaluation.costs import profile
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.model import Model
from lmf_sr.plain import plain_form
from lmf_sr.profiling import measure_latency
from lmf_sr.results.plots import efficiency, save
from lmf_sr.results.records import Metrics, Record, Result, Results, read_record, write_record
from lmf_sr.results.rows import Row, joined
from lmf_sr.results.table import Table

PAIRS = {"liif": "lm-liif", "lte": "lm-lte", "ciaosr": "lm-ciaosr"}
METHODS = [*PAIRS, *PAIRS.values()]
LR_SIZE = (180, 320)
SCALES = (1, 2, 3, 4, 6, 8)
DIVISORS = [n for n in range(1, LR_SIZE[0] + 1) if LR_SIZE[0] % n == 0]
TIMED_AT_ONCE = 60_000  # pixels; where each is decoded on its own, more are timed on a part of the LR rows
REPEATS = 2
BUDGET_S = 3.0


def forms(method: str) -> dict[str, Model]:
    """A method in its plain form and as it is run here, on fresh weights."""
    torch.manual_seed(0)
    model = build("edsr-baseline", method).eval()
    return {f"{method}, plain": Model(model.encoder, plain_form(model.decoder), model.config), method: model}


def count(method: str) -> Results:
    """Parameters and MACs."""
    return {name: [*profile(form, LR_SIZE, SCALES, latency=False)] for name, form in forms(method).items()}


def time(method: str) -> Results:
    """Latency, and on how many LR rows it was measured."""
    return {name: [timed(form, scale) for scale in SCALES] for name, form in forms(method).items()}


def timed(form: Model, scale: int) -> Result:
    pixels = scale * scale * LR_SIZE[0] * LR_SIZE[1]
    is_blocked = isinstance(form.decoder, Conversion)
    parts = 1 if is_blocked else next(n for n in DIVISORS if pixels / n <= TIMED_AT_ONCE)
    lr_rows = LR_SIZE[0] // parts
    latency = measure_latency(form, (lr_rows, LR_SIZE[1]), (lr_rows * scale, LR_SIZE[1] * scale), 1, REPEATS, BUDGET_S)
    metrics: Metrics = {"decoder_ms": parts * latency.decoder_ms, "lr_rows_timed": lr_rows}
    return Result(scale, metrics | ({"encoder_ms": latency.encoder_ms} if parts == 1 else {}))


COSTS = ("decoder", "scale", "parameters (k)", "MACs (G)", "latency (ms)")
SAVINGS = (
    "conversion", "scale", "parameters saved", "MACs saved, plain",
    "faster, both plain", "faster, both at their best", "faster, ours against the plain base",
)  # fmt: skip


def report(folder: Path, output: Path) -> None:
    """Tables and figure from the records of all methods."""
    found = joined(read_record(folder / f"{method}.{what}.json").results for method in METHODS for what in MEASURED)
    at = {(row.model, row.scale): row.metrics for row in found}
    encoder_ms = statistics.median(m["encoder_ms"] for m in at.values() if "encoder_ms" in m)
    write_table(output / "costs.md", COSTS, [costs_of(row) for row in found])
    savings = [
        savings_of(base, conversion, scale, at, encoder_ms) for base, conversion in PAIRS.items() for scale in SCALES
    ]
    write_table(output / "savings.md", SAVINGS, savings)
    shown = {f"{base}, plain": base for base in PAIRS} | {name: name for name in PAIRS.values()}
    figure = efficiency([row._replace(model=shown[row.model]) for row in found if row.model in shown])
    save(figure, output / "efficiency.svg")
    print(f"encoder: {encoder_ms:.0f} ms")


def costs_of(row: Row) -> list[str]:
    """A row of the table of costs."""
    m = row.metrics
    part = "" if m["lr_rows_timed"] == LR_SIZE[0] else f" (from {m['lr_rows_timed']:.0f} LR rows)"
    parameters, macs = f"{m['decoder_parameters'] / 1e3:.1f}", f"{m['decoder_macs_as_run'] / 1e9:.2f}"
    return [row.model, f"x{row.scale:g}", parameters, macs, f"{m['decoder_ms']:,.0f}{part}"]


def savings_of(
    base: str, conversion: str, scale: float, at: dict[tuple[str, float], Metrics], encoder_ms: float
) -> list[str]:
    """A row of the table of savings; ratios of times of the decoder and, in parentheses, with the encoder's."""
    plain, best = at[f"{base}, plain", scale], at[base, scale]
    converted_plain, ours = at[f"{conversion}, plain", scale], at[conversion, scale]

    def saved(metric: str) -> float:
        return 1 - ours[metric] / plain[metric]

    def times(slow: Metrics, fast: Metrics) -> str:
        alone, whole = ((slow["decoder_ms"] + ms) / (fast["decoder_ms"] + ms) for ms in (0, encoder_ms))
        return f"{alone:.1f} ({whole:.1f})"

    ratios = times(plain, converted_plain), times(best, ours), times(plain, ours)
    return [conversion, f"x{scale}", f"{saved('decoder_parameters'):.1%}", f"{saved('decoder_macs'):.2%}", *ratios]


def write_table(path: Path, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    write_text(path, Table.of_text(header, lines).markdown())


MEASURED = {"count": count, "time": time}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=(*MEASURED, "report"))
    parser.add_argument("results", type=Path)
    parser.add_argument("rest", nargs="+", help="methods, or the folder to write to")
    options = parser.parse_args()
    if options.what == "report":
        report(options.results, Path(options.rest[0]))
        return
    for method in options.rest:
        configuration = {"decoder": method, "scales": SCALES, "lr_size": LR_SIZE, "seed": 0}
        record = Record.begun("profile", None, method, configuration, {})
        results = MEASURED[options.what](method)
        write_record(record.ended("done", results), options.results / f"{method}.{options.what}.json")


if __name__ == "__main__":
    main()
