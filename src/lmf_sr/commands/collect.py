"""`lmf-sr collect`: one table of any number of runs, on the terminal or as CSV or Parquet."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import rich

from lmf_sr.commands.arguments import parser_for
from lmf_sr.errors import InputError
from lmf_sr.results.collect import SUFFIXES, collect, find_records, for_people, over_seeds, save

EPILOG = """\
Every job leaves a result.json in its folder. The records in each DIR and below it become a table with a row for each run,
model, set and scale; the settings that differ between the runs have columns. Costs (parameters, MACs, latency) stand beside
the quality at their scale. Files that are no records, and runs that ended without a result, are named and left out.
The mean PSNR of a set, and over seeds, leaves out infinite values (images reproduced exactly); psnr_infinite counts them.

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
    table = collect(records, options.images)
    if not table.rows:
        raise InputError(f"none of the {len(records)} runs has a result yet")
    if options.seeds:
        table = over_seeds(table)
    if options.output is None:
        rich.print(replace(for_people(table), note="all columns: --output FILE").terminal())
    else:
        save(table, options.output)
        print(f"written: {options.output}, {len(table.rows)} rows of {len(records) - len(empty)} runs")
