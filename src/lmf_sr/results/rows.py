"""Rows, which join the metrics that several records hold for one model, set and scale.

Several results of one model may each bring some of a row's metrics, an evaluation its PSNR and a profile its cost. A profile
has no set, so its costs stand beside every set.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from lmf_sr.results.columns import IN_FILES_ONLY, METRICS, Column
from lmf_sr.results.records import Metrics, Results
from lmf_sr.results.table import Table, Value


class Row(NamedTuple):
    model: str
    set: str | None
    scale: float
    metrics: Metrics


def joined(results: Iterable[Results]) -> list[Row]:
    """The rows of several records' results, in their order."""
    found: dict[tuple[str, str | None, float], Metrics] = {}
    for models in results:
        for model, model_results in models.items():
            for result in model_results:
                found.setdefault((model, result.set, result.scale), {}).update(result.metrics)
    measured_on_a_set = {(model, scale) for model, set_, scale in found if set_ is not None}
    return [
        Row(model, set_, scale, {**found.get((model, None, scale), {}), **metrics})
        for (model, set_, scale), metrics in found.items()
        if set_ is not None or (model, scale) not in measured_on_a_set
    ]


def table(rows: Sequence[Row], title: str = "", without: Collection[str] = IN_FILES_ONLY) -> Table:
    """The rows as a table, with a column for each metric that any row has, except those named in `without`."""
    metrics = [c for name, c in METRICS.items() if name not in without and any(name in row.metrics for row in rows)]
    with_sets = any(row.set is not None for row in rows)
    labels = [Column("model", "model"), *([Column("set", "set")] if with_sets else []), Column("scale", "scale")]

    def cells(row: Row) -> list[Value]:
        names: list[Value] = [row.model, *([row.set or ""] if with_sets else []), row.scale]
        return [*names, *(row.metrics.get(column.name) for column in metrics)]

    return Table([*labels, *metrics], [cells(row) for row in rows], title)
