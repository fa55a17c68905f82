"""`lmf-sr collect`: one table of any number of runs, on the terminal or as CSV or Parquet."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rich

from lmf_sr.commands.arguments import parser_for
from lmf_sr.errors import InputError
from lmf_sr.results.collect import SUFFIXES, Table, find_records
from lmf_sr.results.tables import COLUMNS
from lmf_sr.results.terminal import TerminalTable

DETAILS = {"encoder_parameters", "encoder_macs", "encoder_ms", "decoder_macs_as_run"}  # in files only

EPILOG = """\
Every job leaves a result.json in its folder. They are looked for in each DIR and below it, and become a table with a row for
each run, model, set and scale, in which those settings have columns that differ between the runs. Costs (parameters, MACs,
latency) stand beside the quality at their scale. Files that are no records, and runs that ended without a result, are named
and left out.

examples:
  lmf-sr collect multirun/train/widths                          on the terminal
  lmf-sr collect multirun --output runs.parquet                 all there is; pandas, polars and DuckDB read it
  lmf-sr collect multirun/train/widths --seeds                  mean and standard deviation over seed=0,1,2
  lmf-sr collect multirun/evaluate/set5 --images -o images.csv  a row for each image
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError if there is nothing to collect."""
    parser = parser_for("collect", "Gather the results of any number of runs into one table.", EPILOG)
    parser.add_argument("places", metavar="DIR", nargs="+", type=Path, help="folder of runs, or a result.json")
    parser.add_argument("--output", "-o", metavar="FILE", type=Path, help="write the table as .csv or .parquet")
    parser.add_argument("--images", action="store_true", help="a row for each image instead of their mean")
    parser.add_argument(
        "--seeds", action="store_true", help="join runs that differ in their seed only: mean, and NAME_std beside it"
    )
    options = parser.parse_args(arguments)
    if options.output is not None and options.output.suffix not in SUFFIXES:
        raise InputError(f"cannot write {options.output}: a table's suffix is {' or '.join(SUFFIXES)}")

    records, refused = find_records(options.places)
    empty = [folder for folder, record in records.items() if not record.results]
    for sentence in [*refused, *(f"{folder} has no results ({records[folder].status})" for folder in empty)]:
        print(f"lmf-sr: left out: {sentence}", file=sys.stderr)
    table = Table.of(records, options.images)
    if not table.rows:
        raise InputError(f"none of the {len(records)} runs has a result yet")
    if options.seeds:
        table = table.over_seeds()
    if options.output is None:
        rich.print(_shown(table))
    else:
        table.save(options.output)
        print(f"written: {options.output}, {len(table.rows)} rows of {len(records) - len(empty)} runs")


def _shown(table: Table) -> TerminalTable:
    """What tells the rows apart, and the metrics that matter most, in the units of the tables."""
    names = ["sweep", "seed", "seeds", *table.settings, "model", "set", "scale", "image"]
    labels = [name for name in names if any(row.get(name) is not None for row in table.rows)]
    metrics = [name for name in table.metrics if name in COLUMNS and name not in DETAILS]
    body = [
        [*(_text(row.get(name)) for name in labels), *(_number(row, name) for name in metrics)] for row in table.rows
    ]
    header = [*labels, *(COLUMNS[name].title for name in metrics)]
    return TerminalTable(header, body, len(labels), note="all columns: --output FILE")


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _number(row: dict[str, Any], name: str) -> str:
    column = COLUMNS[name]
    if row[name] is None:
        return ""
    spread = row.get(f"{name}_std")
    mean = format(row[name] / column.unit, column.style)
    return mean if not spread else f"{mean} ± {format(spread / column.unit, column.style)}"
