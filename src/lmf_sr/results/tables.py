"""Tables from result records: one row for each model, set and scale, in Markdown, CSV and on the terminal.

Several results of one model may each bring some of a row's metrics: an evaluation its PSNR, a profile its cost. A profile
knows no set; its costs stand beside every set.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lmf_sr.results.records import Metrics, Results
from lmf_sr.results.terminal import TerminalTable
from lmf_sr.text import printable


class Column(NamedTuple):
    """How a metric is shown: its title, and its value divided by `unit`."""

    title: str
    style: str
    unit: float = 1


COLUMNS = {
    "psnr": Column("PSNR (dB)", ".2f"),
    "psnr_infinite": Column("exact images, not in the PSNR", ".0f"),
    "ssim": Column("SSIM", ".4f"),
    "encoder_parameters": Column("encoder parameters (k)", ",.1f", 1e3),
    "decoder_parameters": Column("decoder parameters (k)", ",.1f", 1e3),
    "encoder_macs": Column("encoder MACs (G)", ",.2f", 1e9),
    "decoder_macs": Column("decoder MACs, plain form (G)", ",.2f", 1e9),
    "decoder_macs_as_run": Column("decoder MACs, as run (G)", ",.2f", 1e9),
    "encoder_ms": Column("encoder (ms)", ",.1f"),
    "decoder_ms": Column("decoder, as run (ms)", ",.1f"),
    "cmsr_mse": Column("MSE from the full rendering", ".1e"),
    "macs_saved": Column("decoder MACs saved (%)", ".1f", 0.01),
    "time_saved": Column("decoder time saved (%)", ".1f", 0.01),
}
"""Every metric of a record, by name, in the order of the tables."""


class Row(NamedTuple):
    model: str
    set: str | None
    scale: float
    metrics: Metrics


def rows(found: Iterable[Results]) -> list[Row]:
    """The rows of what some records found, in their order."""
    joined: dict[tuple[str, str | None, float], Metrics] = {}
    for results in found:
        for model, of_model in results.items():
            for result in of_model:
                joined.setdefault((model, result.set, result.scale), {}).update(result.metrics)
    measured_on_a_set = {(model, scale) for model, set_, scale in joined if set_ is not None}
    return [
        Row(model, set_, scale, {**joined.get((model, None, scale), {}), **metrics})
        for (model, set_, scale), metrics in joined.items()
        if set_ is not None or (model, scale) not in measured_on_a_set
    ]


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table; a cell is empty where a row lacks a metric."""
    header, *body = _cells(rows)
    rule = ["---" if title in ("model", "set") else "---:" for title in header]
    return "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in (header, rule, *body))


def csv_text(rows: Sequence[Row]) -> str:
    """The same table as CSV, with metrics by their names, in base units and full precision."""
    shown = _shown(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["model", "set", "scale", *shown])
    for row in rows:
        writer.writerow([row.model, row.set or "", row.scale, *(row.metrics.get(name, "") for name in shown)])
    return printable(out.getvalue())


def terminal(rows: Sequence[Row], title: str | None = None) -> TerminalTable:
    """The same table for `rich.print`."""
    header, *body = _cells(rows)
    return TerminalTable(header, body, header.index("scale") + 1, title)


def _shown(rows: Sequence[Row]) -> list[str]:
    return [name for name in COLUMNS if any(name in row.metrics for row in rows)]


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    shown, with_sets = _shown(rows), any(row.set is not None for row in rows)
    header = ["model", *(["set"] if with_sets else []), "scale", *(COLUMNS[name].title for name in shown)]
    return [header] + [
        [
            row.model,
            *([row.set or ""] if with_sets else []),
            f"{row.scale:g}",
            *(_cell(row.metrics, name) for name in shown),
        ]
        for row in rows
    ]


def _cell(metrics: Metrics, name: str) -> str:
    column = COLUMNS[name]
    return format(metrics[name] / column.unit, column.style) if name in metrics else ""


def _escaped(cell: str) -> str:
    """A cell of a Markdown table: a bar in a name would end it."""
    return printable(cell).replace("|", "\\|")
