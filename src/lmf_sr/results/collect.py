"""A table of any number of runs, from their records, in long form, with a row for each run, model, set and scale (or image).

    run           sweep  status  seed  decoder.width  model    set   protocol   scale  psnr  ssim ...
    .../width-8   width  done    0     8              lm-liif  Set5  benchmark  2      37.1  0.95

The keys of the configuration that differ between the runs become columns. Costs, which have no set, stand beside the results
of every set at their scale, as in `rows.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lmf_sr.atomic import replacing, write_text
from lmf_sr.errors import InputError
from lmf_sr.results.columns import IN_FILES_ONLY, METRICS, Column
from lmf_sr.results.records import FILE, Metrics, Record, Result, read_record
from lmf_sr.results.statistics import INFINITE, Spread
from lmf_sr.results.table import Table, Value
from lmf_sr.text import printable

OF_THE_RUN = ("run", "verb", "sweep", "status", "revision", "started", "duration_s", "seed")
OF_A_RESULT = ("model", "set", "protocol", "scale", "image")
ONE_OF_MANY = {"run", "revision", "started", "duration_s", "seed"}  # columns in which the runs of one row may differ
BOOKKEEPING = {"run", "verb", "status", "revision", "started", "duration_s", "protocol"}  # columns of files only
DETAILS = IN_FILES_ONLY | {"encoder_parameters", "encoder_macs", "encoder_ms", "decoder_macs_as_run"}  # the same
SUFFIXES = (".csv", ".parquet")


def find_records(places: Sequence[Path]) -> tuple[dict[Path, Record], list[str]]:
    """All records below the places given, by the folders of their runs, and a sentence for each file that is no record.

    Raises:
        InputError: a place does not exist, or none of them holds a record.
    """
    found: dict[Path, Record] = {}
    refused: list[str] = []
    for place in places:
        if not place.exists():
            raise InputError(f"there is no folder {place} to collect from")
        for path in sorted(place.rglob(FILE)) if place.is_dir() else [place]:
            try:
                found[path.parent] = read_record(path)
            except InputError as error:
                refused.append(str(error))
    if not found:
        raise InputError(f"there is no {FILE} of a run in {', '.join(map(str, places))}")
    return found, refused


def collect(records: Mapping[Path, Record], images: bool = False) -> Table:
    """The table of runs, given by their folders; with `images`, a row for each image instead of their mean."""
    settings = varying([*records.values()])
    rows: list[dict[str, Any]] = []
    metrics: dict[str, None] = {}
    for folder, record in records.items():
        about = {"run": str(folder), "revision": record.environment.get("revision")}
        about |= {name: getattr(record, name) for name in OF_THE_RUN if name not in about}
        about |= {key: record.settings.get(key) for key in settings}
        for model, results in record.results.items():
            for result, image, found in _found(results, images):
                of_result = (model, result.set, result.protocol, result.scale, image)
                rows.append({**about, **dict(zip(OF_A_RESULT, of_result, strict=True)), **found})
                metrics.update(dict.fromkeys(found))
    labels = [Column(name, name) for name in (*OF_THE_RUN, *settings, *OF_A_RESULT)]
    columns = [*labels, *_metric_columns(metrics)]
    return Table(columns, [[_cell(row.get(column.name)) for column in columns] for row in rows])


def over_seeds(table: Table) -> Table:
    """Joins rows that differ in nothing but their seed, with each metric as its spread over the seeds.

    Where a metric is infinite for some seeds, a column counts them.
    """
    labels = [i for i, column in enumerate(table.columns) if column.is_label and column.name not in ONE_OF_MANY]
    metrics = [i for i, column in enumerate(table.columns) if not column.is_label]
    seed = next(i for i, column in enumerate(table.columns) if column.name == "seed")
    groups: dict[tuple[Value, ...], list[Sequence[Value]]] = {}
    for row in table.rows:
        groups.setdefault(tuple(row[i] for i in labels), []).append(row)

    columns = [*(table.columns[i] for i in labels), Column("seeds", "seeds")]
    cells: list[list[Value]] = [[*same] for same in groups]
    for line, group in zip(cells, groups.values(), strict=True):
        line.append(" ".join(map(str, sorted({row[seed] for row in group}, key=str))))
    for i in metrics:
        values = [[v for row in group if isinstance(v := row[i], int | float)] for group in groups.values()]
        counts = [sum(map(math.isinf, samples)) for samples in values]
        columns.append(table.columns[i])
        for line, samples in zip(cells, values, strict=True):
            line.append(Spread.over(samples) if samples else None)
        name = table.columns[i].name + INFINITE
        if any(counts) and all(column.name != name for column in table.columns):
            columns.append(METRICS.get(name, Column(name, name, "g")))
            for line, count in zip(cells, counts, strict=True):
                line.append(count)
    return Table(columns, cells)


def for_people(table: Table) -> Table:
    """The table with the columns that tell its rows apart and the metrics that matter most, as a terminal shows it."""
    shown = [
        i
        for i, column in enumerate(table.columns)
        if any(row[i] is not None for row in table.rows)
        and (column.name not in BOOKKEEPING if column.is_label else column.name in METRICS.keys() - DETAILS)
    ]
    return Table([table.columns[i] for i in shown], [[row[i] for i in shown] for row in table.rows])


def save(table: Table, path: Path) -> None:
    """Writes CSV or Parquet, by the suffix. Raises InputError where Parquet needs polars and it is not installed."""
    if path.suffix == ".csv":
        write_text(path, table.csv())
    elif find_spec("polars") is None:
        raise InputError(f"{path.name} needs polars: pip install 'lmf-sr[parquet]', or write a .csv")
    else:
        import polars

        columns = {name: _of_one_type(values) for name, values in table.data().items()}
        with replacing(path) as file:
            polars.DataFrame(columns, strict=False).write_parquet(file)


def varying(records: Sequence[Record]) -> list[str]:
    """The keys of the configuration that differ between runs, except those that have columns anyway."""
    values: dict[str, set[str]] = {}
    for record in records:
        for key, value in record.settings.items():
            values.setdefault(key, set()).add(json.dumps(value))
    known = {*OF_THE_RUN, *OF_A_RESULT}
    return [
        key
        for key, different in values.items()
        if len(different) > 1 and key not in known and not key.endswith("_target_")
    ]


def _found(results: Sequence[Result], images: bool) -> Iterator[tuple[Result, str | None, Metrics]]:
    """The measurements of one model, with the costs of a scale beside each set, or alone where there is no set."""
    costs: dict[float, Metrics] = {}
    for result in results:
        if result.set is None:
            costs.setdefault(result.scale, {}).update(result.metrics)
    measured = {result.scale for result in results if result.set is not None}
    for result in results:
        if result.set is None and result.scale in measured:
            continue
        costs_there = costs.get(result.scale, {})
        if images and result.set is not None:
            for image, metrics in result.images.items():
                yield result, image, {**metrics, **costs_there}
        else:
            yield result, None, {**result.metrics, **costs_there}


def _metric_columns(names: Iterable[str]) -> list[Column]:
    """The columns of metrics, those of tables first, in their order, then the others under their names."""
    given = list(names)
    known = [column for name, column in METRICS.items() if name in given]
    return [*known, *(Column(name, name, "g") for name in given if name not in METRICS)]


def _cell(value: Any) -> Value:
    """A value as a cell. Lists and mappings become JSON, and text becomes printable."""
    if isinstance(value, list | dict):
        return json.dumps(value)
    return printable(value) if isinstance(value, str) else value


def _of_one_type(values: list[Any]) -> list[Any]:
    """The values as they are if all are numbers, else as text, because a column of a file has one type."""
    numbers = all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)
    return values if numbers else [value if value is None else str(value) for value in values]
