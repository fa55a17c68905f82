"""`lmf-sr report`: the paper's tables and figures from the records of any jobs, on one page."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lmf_sr.commands.arguments import parser_for
from lmf_sr.errors import InputError
from lmf_sr.reporting.report import write_report

EPILOG = """\
It reads every result.json below DIR, of jobs and sweeps of train, evaluate, compare and profile, and computes nothing anew.
report.html needs nothing beside it. What was not measured is an empty cell; rows of several seeds are mean ± std.

examples:
  lmf-sr report reproduce/demo
  lmf-sr report multirun/evaluate --output ~/report --title "Thresholds"
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError for a folder without records."""
    options = _parser().parse_args(arguments)
    if not options.folder.is_dir():
        raise InputError(f"there is no folder {options.folder}: give one that holds the folders of jobs")
    output = options.output or options.folder
    study = write_report(options.folder, output, options.title)
    if not study.records:
        raise InputError(
            f"no job below {options.folder} is done, so the report is empty: run lmf-sr evaluate or profile"
        )
    print(f"written: {output / 'report.html'}, {output / 'tables'}, from {len(study.records)} records")


def _parser() -> argparse.ArgumentParser:
    parser = parser_for(
        "report",
        "Make the paper's tables (T1 to T5) and figures from result records, beside the published figures.",
        EPILOG,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="where the jobs' folders are")
    parser.add_argument("--output", "-o", type=Path, metavar="DIR", help="where to write (default: DIR)")
    parser.add_argument("--title", default="lmf-sr: report", help="of the page (default: %(default)s)")
    return parser
