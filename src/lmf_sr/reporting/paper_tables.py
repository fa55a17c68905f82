"""The paper's tables, from a study: T1 and T2 quality, T3 costs, T4 CMSR, T5 ablations.

A table consists of blocks, with a row for each model (or threshold, or variant) and a column for each scale. A cell is a
mean and spread over seeds, beside the published figure if there is one. A cell without measurements is empty, and the
block's note says so.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from lmf_sr.reporting.published import PublishedFigure, published_figure
from lmf_sr.reporting.study import Study, Subject
from lmf_sr.results.columns import METRICS, Column
from lmf_sr.results.statistics import Spread
from lmf_sr.results.table import Table, text_of

VALIDATION_SCALES = (2.0, 3.0, 4.0, 6.0, 12.0, 18.0, 24.0, 30.0)
BENCHMARK_SCALES = (2.0, 3.0, 4.0, 6.0, 8.0)
BENCHMARKS = ("Set5", "Set14", "B100", "Urban100")
CMSR_SCALES = (6.0, 8.0, 12.0, 18.0)

SAVINGS = [
    Column("macs_fewer", "decoder MACs, fewer by (%)", ".2f", 0.01),
    Column("times_faster", "decoder, times faster", ".1f"),
    Column("parameters_fewer", "decoder parameters, fewer by (%)", ".1f", 0.01),
]
"""The savings of a conversion against its original."""

NOTHING = "Nothing has been measured."


class Cell(NamedTuple):
    """A measurement, beside the published figure where there is one."""

    measured: Spread | None
    published: PublishedFigure | None = None

    @property
    def difference(self) -> float | None:
        """Measured less published."""
        return self.measured.mean - self.published.value if self.measured and self.published else None

    def shown(self, column: Column) -> str:
        """The cell's text, as `30.27 ± 0.02 (30.40, −0.13)`, with the published figure and the difference to it in
        brackets."""
        figure = self.published_text(column)
        return " ".join(part for part in (text_of(self.measured, column), f"({figure})" if figure else "") if part)

    def published_text(self, column: Column) -> str:
        """The part in brackets, as `30.40, −0.13`; empty where nothing is published."""
        if self.published is None:
            return ""
        figure = text_of(self.published.value, column)
        if self.difference is None:
            return figure
        return f"{figure}, {column.number(self.difference, sign='+').replace('-', '−')}"


class PaperTable(NamedTuple):
    """A table of the paper. The first cell of a block's row names the row, and the others are `Cell`s.

    The `title` of a block names its content, and its `note` the missing measurements.
    """

    name: str
    title: str
    about: str
    blocks: list[Table]

    @property
    def is_empty(self) -> bool:
        """Whether it holds no measurement."""
        return all(block.note == NOTHING for block in self.blocks)


Conditions = dict[str, Any]
"""Arguments of `Study.select` that select the findings of a row."""


def all_tables(study: Study) -> list[PaperTable]:
    """The tables T1 to T5."""
    return [validation(study), benchmarks(study), costs(study), cmsr(study), ablations(study)]


def validation(study: Study) -> PaperTable:
    """T1."""
    sets = study.values("set", "psnr", protocol="div2k", threshold=None) or ["DIV2K"]
    return PaperTable(
        "T1",
        "PSNR on validation images",
        "RGB PSNR by the DIV2K protocol: scale + 6 pixels are cropped from each side.",
        [_quality(study, "PSNR (dB)", "psnr", "div2k", set_, VALIDATION_SCALES) for set_ in sets],
    )


def benchmarks(study: Study) -> PaperTable:
    """T2."""
    found = study.values("set", "psnr", protocol="benchmark")
    blocks = []
    for set_ in (*BENCHMARKS, *(set_ for set_ in found if set_ not in BENCHMARKS)):
        blocks.append(_quality(study, "luma PSNR (dB)", "psnr", "benchmark", set_, BENCHMARK_SCALES))
        blocks.append(_quality(study, "luma SSIM", "ssim", "benchmark", set_, BENCHMARK_SCALES))
        if study.select(set=set_, protocol="benchmark-rgb"):
            blocks.append(_quality(study, "RGB PSNR (dB)", "psnr", "benchmark-rgb", set_, BENCHMARK_SCALES))
    return PaperTable(
        "T2",
        "PSNR and SSIM on benchmark sets",
        "By the benchmark protocol: on luma, scale pixels cropped from each side. RGB PSNR, where measured, is what model "
        "zoos publish: of all channels, with the same crop.",
        blocks,
    )


def costs(study: Study) -> PaperTable:
    """T3."""
    models = {study.label(s.architecture): s.architecture for s in study.main if s.encoder}
    blocks = [_parameters(study, models, "Parameters", "model")]
    for lr_size in study.values("lr_size", "decoder_macs"):
        blocks += _costs_of(study, models, lr_size)
    return PaperTable(
        "T3",
        "Parameters, multiply-accumulates and latency",
        "The plain form counts the whole MLP at each of the four corners of a pixel, as the paper does; as run is the "
        "factored form that computes the same pixels here, and is what is timed.",
        blocks,
    )


def cmsr(study: Study) -> PaperTable:
    """T4."""
    blocks = []
    for on in study.measured_on("cmsr_mse"):
        for subject in (s for s in study.main if study.select(subject=s, with_cmsr=True, **on)):
            where = {"subject": subject, **on}
            allowed = study.values("threshold", "cmsr_mse", **where)
            thresholds = {f"{t:g}" if t < math.inf else "not known": where | {"threshold": t} for t in allowed}
            scales = _merged(CMSR_SCALES, study.values("scale", "cmsr_mse", **where))
            for metric in ("psnr", "cmsr_mse", "macs_saved", "macs_saved_plain", "time_saved"):
                rows = ({"in full": where | {"threshold": None}} if metric == "psnr" else {}) | thresholds
                title = f"{study.label(subject)} on {on['set']}: {METRICS[metric].title}"
                title += f", protocol {on['protocol']}" if metric == "psnr" else ""
                blocks.append(_block(study, title, "MSE allowed", _at(metric, scales), rows))
    return PaperTable(
        "T4",
        "CMSR: the savings and losses of controllable multi-scale rendering",
        "For an MSE allowed from the full rendering (values in [-1, 1]): PSNR, the MSE found, and the decoder's MACs and "
        "time saved against the full rendering on the same path.",
        blocks or [_noted("PSNR (dB)", "MSE allowed", _at("psnr", CMSR_SCALES), [])],
    )


def ablations(study: Study) -> PaperTable:
    """T5."""
    blocks = []
    for plain, variants in study.ablations.items():
        names = {" ".join(s.decoder_options) or "as in the paper": s for s in (plain, *variants)}
        for on in study.measured_on("psnr", threshold=None):
            where = {**on, "threshold": None}
            scales = _merged(*(study.values("scale", "psnr", subject=s, **where) for s in variants))
            if not scales:
                continue
            rows = {name: where | {"subject": subject} for name, subject in names.items()}
            title = f"{study.label(plain)} on {on['set']}: PSNR (dB), protocol {on['protocol']}"
            blocks.append(_block(study, title, "variant", _at("psnr", scales), rows))
        architectures = {name: subject.architecture for name, subject in names.items()}
        blocks.append(_parameters(study, architectures, f"{study.label(plain)}: parameters", "variant"))
    return PaperTable(
        "T5",
        "Ablations",
        "The same model with options of its decoder changed, trained and measured alike.",
        blocks or [_noted("PSNR (dB)", "variant", _at("psnr", BENCHMARK_SCALES), [])],
    )


def _quality(study: Study, title: str, metric: str, protocol: str, set_: str, scales: Sequence[float]) -> Table:
    where: Conditions = {"protocol": protocol, "set": set_, "threshold": None}
    rows = {study.label(subject): where | {"subject": subject} for subject in study.main}
    measured = study.values("scale", metric, **where)
    return _block(study, f"{set_}: {title}", "model", _at(metric, _merged(scales, measured)), rows)


def _parameters(study: Study, models: Mapping[str, Subject], title: str, corner: str) -> Table:
    columns = [METRICS[metric] for metric in ("encoder_parameters", "decoder_parameters")]
    return _block(study, title, corner, columns, {label: {"architecture": model} for label, model in models.items()})


def _costs_of(study: Study, models: Mapping[str, Subject], lr_size: tuple[int, int]) -> Iterator[Table]:
    """MACs, time on each machine, and the savings of the conversions."""
    picture = f"LR picture of {lr_size[0]} × {lr_size[1]}"
    where: Conditions = {"lr_size": lr_size}
    scales = study.values("scale", "decoder_macs", **where)
    machines = study.values("machine", "decoder_ms", **where)
    on_each: list[tuple[str, dict[str, str]]] = [
        (metric, {}) for metric in ("encoder_macs", "decoder_macs", "decoder_macs_as_run")
    ]
    on_each += [(metric, {"machine": machine}) for machine in machines for metric in ("encoder_ms", "decoder_ms")]
    for metric, on in on_each:
        title = ", ".join([METRICS[metric].title, picture, *on.values()])
        rows = {label: where | on | {"architecture": model} for label, model in models.items()}
        yield _block(study, title, "model", _at(metric, scales), rows)
    pairs = {
        label: model for label, model in models.items() if model.is_conversion and model.original in models.values()
    }
    if pairs:
        savings: list[tuple[str, list[Cell]]] = [
            (label, [Cell(_largest(study, model, c.name, scales, where), published_figure(c.name)) for c in SAVINGS])
            for label, model in pairs.items()
        ]
        title = f"The most that conversions save of their originals at these scales, {picture}"
        yield _noted(title, "model", SAVINGS, savings)


def _largest(study: Study, model: Subject, saving: str, scales: Sequence[float], where: Conditions) -> Spread | None:
    """The largest saving over scales and machines."""
    metric = {"macs_fewer": "decoder_macs", "times_faster": "decoder_ms", "parameters_fewer": "decoder_parameters"}[
        saving
    ]
    on: list[dict[str, str]] = [{}]
    if metric == "decoder_ms":  # times of different machines do not compare
        on = [{"machine": machine} for machine in study.values("machine", metric, **where)]
    found = []
    for at in ({"scale": scale, **machine, **where} for machine in on for scale in scales):
        before, after = (study.spread(metric, architecture=m, **at) for m in (model.original, model))
        if before and after:
            found.append(before.mean / after.mean if saving == "times_faster" else 1 - after.mean / before.mean)
    return Spread.over([max(found)]) if found else None


def _block(study: Study, title: str, corner: str, columns: Sequence[Column], rows: Mapping[str, Conditions]) -> Table:
    cells = [(label, [_cell(study, column, where) for column in columns]) for label, where in rows.items()]
    return _noted(title, corner, columns, cells)


def _noted(title: str, corner: str, columns: Sequence[Column], rows: Sequence[tuple[str, Sequence[Cell]]]) -> Table:
    """A block, with a note on the missing measurements; `corner` says what its rows are."""
    missing: dict[str, list[str]] = {}  # rows, by the columns that they lack
    for label, cells in rows:
        gaps = [column.title for column, cell in zip(columns, cells, strict=True) if cell.measured is None]
        if gaps:
            missing.setdefault("all" if len(gaps) == len(columns) else ", ".join(gaps), []).append(label)
    parts = [f"{', '.join(labels)}" + (f" at {gaps}" if gaps != "all" else "") for gaps, labels in missing.items()]
    note = f"Not measured: {'; '.join(parts)}." if parts else ""
    if len(missing.get("all", [])) == len(rows):
        note = NOTHING
    return Table([Column(corner, corner), *columns], [[label, *cells] for label, cells in rows], title, note)


def _cell(study: Study, column: Column, where: Conditions) -> Cell:
    at = {} if column.scale is None else {"scale": column.scale}
    model: Subject = where.get("subject") or where["architecture"]
    known = published_figure(
        column.name,
        column.scale,
        where.get("protocol"),
        set=where.get("set"),
        lr_size=list(where.get("lr_size", ())),
        **model.names,
    )
    return Cell(study.spread(column.name, **at, **where), known)


def _at(metric: str, scales: Iterable[float]) -> list[Column]:
    return [replace(METRICS[metric], title=f"×{scale:g}", scale=scale) for scale in scales]


def _merged(*scales: Iterable[float]) -> list[float]:
    return sorted({scale for several in scales for scale in several})
