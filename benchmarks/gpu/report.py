"""The results of `benchmarks.gpu` as Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.gpu.decoding import TARGET_MS, TARGET_SIZE, Work
from benchmarks.gpu.running import Row, label
from lmf_sr.results.table import Table

Rates = Mapping[str, float]


def report(record: Mapping[str, Any]) -> str:
    """All of it, however much there is."""
    environment = record["environment"]
    rates = {row["case"][0]: row["rate"] for row in measured(record, "ceilings")}
    lines = [
        f"# What {record['device']} has to tell",
        "",
        f"{record['date']}, `{record['command']}`, revision {environment['revision']}, torch "
        f"{environment['versions']['torch']}, Triton {record['triton']}, CUDA {record['cuda']}; "
        f"{record['seconds']:.0f} s of {record['time_s']:g} at most.",
        "",
        *(f"- {sentence}" for sentence in verdict(record)),
        "",
    ]
    for title, part, table in SECTIONS:
        rows = measured(record, part)
        if rows:
            lines += [f"## {title}", "", *table(rows, rates)]
    lines += list(_failures(record))
    return "\n".join(lines)


def measured(record: Mapping[str, Any], part: str) -> list[Row]:
    """The rows of a part that did not fail."""
    return [row for row in record["rows"] if row["part"] == part and "failure" not in row]


def wrong(record: Mapping[str, Any]) -> list[Row]:
    return [row for row in record["rows"] if "wrong" in row]


def failed(record: Mapping[str, Any]) -> list[Row]:
    return [row for row in record["rows"] if "failure" in row]


def verdict(record: Mapping[str, Any]) -> Iterator[str]:
    """The sentences that a reader looks for first."""
    pixels = measured(record, "pixels")
    for row in wrong(record):
        yield f"WRONG PIXELS: {label(row['case'])}: {row['wrong']}."
    if pixels and not wrong(record):
        yield f"The pixels of the kernel are right in all {len(pixels)} cases looked at."
    for row in measured(record, "decoding"):
        if row["size"] == list(TARGET_SIZE):
            met = "met" if row["decode_ms"] <= TARGET_MS else "missed"
            yield (
                f"{label(row['case'][:2])}: {row['size'][1]} x {row['size'][0]} pixels in {row['decode_ms']:.3f} ms "
                f"({row['renderer']}; target {TARGET_MS:g} ms for 720p: {met})."
            )
    for row in measured(record, "steps"):
        yield (
            f"Training {row['encoder']} waits for the device in {row['waiting_steps']} of {row['counted_steps']} steps, "
            f"an interval of the log, {row['synchronisations']} times in all."
        )
    for row in failed(record):
        yield f"FAILED: {row['part']}, {label(row['case'])}: {row['failure']}."
    for part, *case in record["left_out"]:
        yield f"Left out for lack of time: {part}, {label(tuple(case))}."


def _ceilings(rows: Sequence[Row], rates: Rates) -> list[str]:
    cells = [
        [name, f"{rate / 1e12:.2f} TB/s" if name == "copy" else f"{rate / 1e12:.1f} TFLOP/s"]
        for name, rate in rates.items()
    ]
    return ["A large copy, and a product of large matrices.", "", Table.of_text(["", "rate"], cells).markdown()]


def _pixels(rows: Sequence[Row], rates: Rates) -> list[str]:
    header = ["decoder", "state", "way", "output", "error", "allowed", ""]
    cells = [
        [
            *row["case"][:3],
            output(row),
            f"{row['error']:.1e}",
            f"{row['bound']:.1e}",
            "WRONG" if "wrong" in row else "right",
        ]
        for row in rows
    ]
    table = Table.of_text(header, cells, labels=4).markdown()
    return ["The kernel against the direct path in float64, on the same state: largest differences.", "", table]


def _decoding(rows: Sequence[Row], rates: Rates) -> list[str]:
    header = [
        "decoder", "precision", "output", "renderer", "prepare", "render", "decode", "wall", "direct render", "ratio",
        "render's roofline (bound by)", "prepare's", "peak, MB",
    ]  # fmt: skip
    cells = []
    for row in rows:
        times = [f"{row[name]:.3f}" for name in ("prepare_ms", "render_ms", "decode_ms", "wall_ms", "direct_ms")]
        cells.append(
            [
                *row["case"][:2],
                output(row),
                row["renderer"],
                *times,
                f"{row['direct_ms'] / row['render_ms']:.0f}",
                _render_roofline(row, rates),
                share(row["prepare_flops"], row["rate"], row["prepare_ms"], rates),
                megabytes(row["peak_bytes"]),
            ]
        )
    return [
        "Milliseconds, from features to pixels; `wall` with Python. Roofline: the floor over the time.",
        "",
        Table.of_text(header, cells, labels=4).markdown(),
    ]


def _render_roofline(row: Row, rates: Rates) -> str:
    if not {"copy", "float16", "float32"} <= rates.keys():
        return "-"
    floors = Work(**row["work"]).floors_ms(dict(rates))
    bound = max(floors, key=lambda name: floors[name])
    return f"{floors[bound] / row['render_ms']:.0%} ({bound})"


def _encoding(rows: Sequence[Row], rates: Rates) -> list[str]:
    cells = [
        [
            *row["case"],
            f"{row['encode_ms']:.3f}",
            f"{row['wall_ms']:.3f}",
            share(row["flops"], row["rate"], row["encode_ms"], rates),
            megabytes(row["peak_bytes"]),
        ]
        for row in rows
    ]
    header = ["encoder", "precision", "encode", "wall", "roofline", "peak, MB"]
    return ["Milliseconds, from the LR picture to features.", "", Table.of_text(header, cells, labels=2).markdown()]


def _samples(rows: Sequence[Row], rates: Rates) -> list[str]:
    cells = [[row["case"][0], f"{row['samples_per_s']:.0f}", f"{row['workers']}"] for row in rows]
    about = f"Batches of {rows[0]['batch']}, patches of {rows[0]['patch']}."
    return [about, "", Table.of_text(["samples", "a second", "workers"], cells).markdown()]


def _steps(rows: Sequence[Row], rates: Rates) -> list[str]:
    header = ["encoder", "precision", "batch", "steps a second", "samples a second", "peak, MB", "operations a step",
              "synchronisations"]  # fmt: skip
    cells = [
        [
            row["encoder"],
            row["precision"],
            f"{row['batch']}",
            f"{row['steps_per_s']:.2f}",
            f"{row['samples_per_s']:.0f}",
            megabytes(row["peak_bytes"]),
            "-" if row["operations"] is None else f"{row['operations'] / row['counted_steps']:.0f}",
            "-"
            if row["synchronisations"] is None
            else f"{row['synchronisations']}, in {row['waiting_steps']} of {row['counted_steps']} steps",
        ]
        for row in rows
    ]
    lines = [Table.of_text(header, cells, labels=2).markdown()]
    for row in rows:
        lines += [f"- {row['encoder']} waits {count} times at {where}" for where, count in row["where"].items()]
    return [*lines, ""]


def _saving(rows: Sequence[Row], rates: Rates) -> list[str]:
    header = [
        "model",
        "MSE asked for",
        "scale",
        "MSE found",
        "MACs saved",
        "time, full, ms",
        "time, CMSR, ms",
        "time saved",
    ]
    cells = [
        [
            *row["case"][:2],
            label(row["case"][2:]),
            f"{row['cmsr_mse']:.1e}",
            f"{row['macs_saved']:.0%}",
            f"{row['full_ms']:.3f}",
            f"{row['cmsr_ms']:.3f}",
            f"{row['time_saved']:.0%}",
        ]
        for row in rows
    ]
    return [f"Means over {rows[0]['photographs']} photographs.", "", Table.of_text(header, cells, labels=3).markdown()]


def _choices(rows: Sequence[Row], rates: Rates) -> list[str]:
    lines = []
    for row in rows:
        cells = [
            [f"{c['tile']}", f"{c['strip']}", f"{c['registers'] or 'free'}", f"{c['render_ms']:.4f}"]
            for c in row["choices"]
        ]
        table = Table.of_text(["tile", "strip", "registers", "render, ms"], cells, labels=0).markdown()
        lines += [f"{label(row['case'])}:", "", table]
    return lines


def _failures(record: Mapping[str, Any]) -> Iterator[str]:
    for row in failed(record):
        yield from (
            f"## Failed: {row['part']}, {label(row['case'])}",
            "",
            "```",
            row["trace"] or row["failure"],
            "```",
            "",
        )


def output(row: Row) -> str:
    return f"{row['size'][1]} x {row['size'][0]} ({label(row['case'][-1:])})"


def share(flops: float, rate: str, ms: float, rates: Rates) -> str:
    """The floor of so many operations over a time."""
    return f"{1e3 * flops / rates[rate] / ms:.0%}" if rate in rates else "-"


def megabytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.0f}"


SECTIONS: tuple[tuple[str, str, Callable[[Sequence[Row], Rates], list[str]]], ...] = (
    ("Ceilings", "ceilings", _ceilings),
    ("Pixels", "pixels", _pixels),
    ("Decoding", "decoding", _decoding),
    ("Encoding", "encoding", _encoding),
    ("Training samples", "samples", _samples),
    ("Training steps", "steps", _steps),
    ("CMSR", "cmsr", _saving),
    ("Training steps, compiled", "compiled steps", _steps),
    ("Choices of the kernel", "choices", _choices),
)
