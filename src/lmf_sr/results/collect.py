"""One table of any number of runs, from their records: long form, a row for each run, model, set and scale (or image).

    run           sweep  status  seed  decoder.width  model    set   protocol   scale  psnr  ssim ...
    .../width-8   width  done    0     8              lm-liif  Set5  benchmark  2      37.1  0.95

Those keys of the configuration become columns that differ between the runs. Costs, which know no set, stand beside the
results of every set at their scale, as in `tables.py`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.results.records import FILE, Metrics, Record, Result, read_record
from lmf_sr.results.statistics import Spread
from lmf_sr.results.tables import COLUMNS
from lmf_sr.text import printable

OF_THE_RUN = ("run", "verb", "sweep", "status", "revision", "started", "duration_s", "seed")
OF_A_RESULT = ("model", "set", "protocol", "scale", "image")
ONE_OF_MANY = {"run", "revision", "started", "duration_s", "seed"}  # in which the runs of one row may differ
SUFFIXES = (".csv", ".parquet")


def find_records(places: Sequence[Path]) -> tuple[dict[Path, Record], list[str]]:
    """All records in some folders, by the folders of their runs; and a sentence for each file that is none.

    Raises:
        InputError: a place that is not there, or no record in any of them.
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


@dataclass(frozen=True)
class Table:
    """Rows by column; a cell is None where a row has nothing.

    settings: which columns are keys of the configuration.
    metrics: which are numbers that were found; those of `tables.COLUMNS` first.
    """

    rows: list[dict[str, Any]]
    settings: list[str]
    metrics: list[str]

    @classmethod
    def of(cls, records: Mapping[Path, Record], images: bool = False) -> Table:
        """The table of some runs; with `images`, a row for each image instead of their mean."""
        settings = varying([*records.values()])
        rows: list[dict[str, Any]] = []
        metrics: dict[str, None] = {}
        for folder, record in records.items():
            about = {"run": printable(str(folder)), "revision": record.environment.get("revision")}
            about |= {name: _cell(getattr(record, name)) for name in OF_THE_RUN if name not in about}
            about |= {key: _cell(record.settings.get(key)) for key in settings}
            for model, results in record.results.items():
                for result, image, found in _found(results, images):
                    of_result = (model, result.set, result.protocol, result.scale, image)
                    where = dict(zip(OF_A_RESULT, map(_cell, of_result), strict=True))
                    rows.append({**about, **where, **found})
                    metrics.update(dict.fromkeys(found))
        ordered = [*(name for name in COLUMNS if name in metrics), *(name for name in metrics if name not in COLUMNS)]
        return cls([_complete(row, ordered) for row in rows], settings, ordered)

    def over_seeds(self) -> Table:
        """Rows that differ in nothing but their seed, joined: the mean of each metric and, as NAME_std, its sample
        standard deviation (None of a single run)."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            same = {key: value for key, value in row.items() if key not in ONE_OF_MANY and key not in self.metrics}
            groups.setdefault(json.dumps(same), []).append(row)
        columns = [column for name in self.metrics for column in (name, f"{name}_std")]
        joined = []
        for key, group in groups.items():
            row = {**json.loads(key), "seeds": " ".join(map(str, sorted({of["seed"] for of in group})))}
            for name in self.metrics:
                values = [of[name] for of in group if of[name] is not None]
                if values:
                    spread = Spread.of(values)
                    row[name], row[f"{name}_std"] = spread.mean, spread.std if spread.seeds > 1 else None
            joined.append(_complete(row, columns))
        return Table(joined, self.settings, columns)

    def save(self, path: Path) -> None:
        """Writes CSV or Parquet, by the suffix. Raises InputError where Parquet needs polars and it is not installed."""
        if path.suffix == ".csv":
            text = io.StringIO()
            writer = csv.DictWriter(text, [*self.rows[0]], lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
            with replacing(path) as file:
                file.write(text.getvalue().encode())
        elif find_spec("polars") is None:
            raise InputError(f"{path.name} needs polars: pip install 'lmf-sr[parquet]', or write a .csv")
        else:
            import polars

            columns = {name: _of_one_type([row[name] for row in self.rows]) for name in self.rows[0]}
            with replacing(path) as file:
                polars.DataFrame(columns, strict=False).write_parquet(file)


def varying(records: Sequence[Record]) -> list[str]:
    """The keys that have several values among the runs that have them, but for what the table has columns of anyway."""
    values: dict[str, set[str]] = {}
    for record in records:
        for key, value in record.settings.items():
            values.setdefault(key, set()).add(json.dumps(value))
    known = {*OF_THE_RUN, *OF_A_RESULT}
    return [key for key, of in values.items() if len(of) > 1 and key not in known and not key.endswith("_target_")]


def _found(results: Sequence[Result], images: bool) -> Iterator[tuple[Result, str | None, Metrics]]:
    """What was found of one model: with the costs of a scale beside each set, or alone where there is none."""
    costs: dict[float, Metrics] = {}
    for result in results:
        if result.set is None:
            costs.setdefault(result.scale, {}).update(result.metrics)
    measured = {result.scale for result in results if result.set is not None}
    for result in results:
        if result.set is None and result.scale in measured:
            continue
        of_scale = costs.get(result.scale, {})
        if images and result.set is not None:
            for image, metrics in result.images.items():
                yield result, image, {**metrics, **of_scale}
        else:
            yield result, None, {**result.metrics, **of_scale}


def _complete(row: dict[str, Any], metrics: Sequence[str]) -> dict[str, Any]:
    return {**{key: value for key, value in row.items() if key not in metrics}, **{n: row.get(n) for n in metrics}}


def _cell(value: Any) -> Any:
    """Lists and mappings as JSON; text as any file takes it."""
    if isinstance(value, list | dict):
        return json.dumps(value)
    return printable(value) if isinstance(value, str) else value


def _of_one_type(values: list[Any]) -> list[Any]:
    """Numbers, or text: a column of a file has one type."""
    numbers = all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)
    return values if numbers else [value if value is None else str(value) for value in values]
