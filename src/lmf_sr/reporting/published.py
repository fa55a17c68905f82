"""The published figures of `published.yaml`, looked up by the conditions of a measurement."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FILE = Path(__file__).with_name("published.yaml")


class PublishedFigure(NamedTuple):
    """A figure, in base units, and the key of its source."""

    value: float
    source: str


def published_figure(
    metric: str, scale: float | None = None, protocol: str | None = None, **measured: Any
) -> PublishedFigure | None:
    """The figure that may stand beside a measurement, if there is one.

    Args:
        metric: its name (`results/columns.py`).
        scale: None for a metric that does not depend on it.
        protocol: the protocol by which a PSNR was measured.
        measured: the other conditions, by their names in the file.
    """
    for series in _content()["series"]:
        values = {None: series["value"]} if "value" in series else series["values"]
        conditions = {key: series[key] for key in ("encoder", "decoder", "set", "lr_size") if key in series}
        if (
            series["metric"] == metric
            and (scale in values or None in values)
            and protocol in series.get("protocols", [protocol])
            and all(measured.get(key) == value for key, value in conditions.items())
        ):
            return PublishedFigure(values[scale if scale in values else None] * series.get("unit", 1), series["source"])
    return None


def sources() -> Mapping[str, str]:
    """The sources of published figures, by the keys that figures name them by."""
    return _content()["sources"]


@cache
def _content() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))
