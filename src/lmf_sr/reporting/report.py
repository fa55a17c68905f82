"""A report from the records in a folder: tables in three formats, figures, and the page with all of it."""

from pathlib import Path

from lmf_sr.atomic import write_text
from lmf_sr.errors import InputError
from lmf_sr.reporting import answers, formats
from lmf_sr.reporting.figures import Figure, all_figures, themed
from lmf_sr.reporting.page import html_of
from lmf_sr.reporting.paper_tables import all_tables
from lmf_sr.reporting.study import Study
from lmf_sr.results.records import FILE, read_record
from lmf_sr.text import printable

CROPS = "crops.svg"
LIVE = "live.html"  # a page by itself (`viewer/standalone.py`) of one of the crops
FORMATS = {".md": formats.markdown, ".csv": formats.csv_text, ".tex": formats.latex}


def write_report(folder: Path, output: Path, title: str) -> Study:
    """Writes `report.html` and `tables/T1.md` ... from all records below a folder; the same for the same records."""
    records, unfinished = [], []
    for path in sorted(folder.rglob(FILE)):
        try:
            record = read_record(path)
        except InputError as error:
            unfinished.append(str(error))
            continue
        if record.status == "done":
            records.append(record)
        else:
            unfinished.append(f"{record.verb} {record.sweep or ''} {record.name}: {record.error or record.status}")
    study = Study(records)
    tables, figures = all_tables(study), [*all_figures(study), _crops(folder)]
    for table in tables:
        for suffix, form in FORMATS.items():
            _write(output / "tables" / f"{table.name}{suffix}", form(table))
    _write(output / "report.html", html_of(title, study, tables, figures, unfinished))
    return study


def _crops(folder: Path) -> Figure:
    about = "The window with the strongest gradients of each picture, as each model renders it."
    drawings = [themed(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob(CROPS))]
    if not drawings:
        return Figure("crops", "Crops", about, "", "the crops that lmf-sr reproduce draws of the models it has trained")
    live = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob(LIVE))[:1])
    return Figure("crops", "Crops", about, "\n".join(drawings), answer=answers.crops(len(drawings)), live=live)


def _write(path: Path, text: str) -> None:
    write_text(path, printable(text))
