"""The figures of a report: SVG that takes on the colour of the page's text, so that it reads in light and in dark."""

import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import LogLocator, NullFormatter

from lmf_sr.reporting import answers
from lmf_sr.reporting.study import Study
from lmf_sr.results.plots import COLOURS, MARKERS, legible
from lmf_sr.results.plots import efficiency as drawing_of_efficiency
from lmf_sr.results.rows import Row

PARETO_SCALES = (2.0, 4.0, 8.0)
DRAWN = {"decoder_macs", "decoder_ms", "decoder_parameters"}  # the metrics that a bubble shows
INK = "#010203"  # becomes the page's own colour of text


class Figure(NamedTuple):
    """The answer to one question: a sentence, and the drawing that shows it.

    Where nothing could be drawn, `svg` is empty, and `note` says what is missing.
    """

    name: str
    title: str
    about: str  # explains how to read the drawing
    svg: str
    note: str = ""
    answer: str = ""
    live: str = ""  # a page that shows a part of it and can be zoomed


class _Point(NamedTuple):
    label: str
    x: float
    y: float


def all_figures(study: Study) -> list[Figure]:
    """The figures that are drawn from records; crops are pictures of their own."""
    return [quality(study), efficiency(study), pareto(study), cmsr(study)]


def quality(study: Study) -> Figure:
    """PSNR against scale, a line for each model."""
    title, about = "Quality against scale", "The mean over seeds; the bars are one standard deviation."
    seen = _seen(study)
    scales = study.values("scale", "psnr", **seen) if seen else []
    if len(scales) < 2:
        return Figure("quality", title, about, "", "PSNR at two scales or more")
    drawing, (ax,) = _panels(1, width=7)
    for i, subject in enumerate(study.main):
        found = {s: spread for s in scales if (spread := study.spread("psnr", subject=subject, scale=s, **seen))}
        if found:
            means, stds = ([getattr(spread, part) for spread in found.values()] for part in ("mean", "std"))
            style = {"markersize": 5, "linewidth": 1.5, "capsize": 3, "label": study.label(subject), **_look(i)}
            ax.errorbar([*found], means, yerr=stds, **style)
    ax.set(xlabel="scale", ylabel="PSNR (dB)")
    about = f"{about} PSNR on {seen['set']}, protocol {seen['protocol']}."
    return Figure("quality", title, about, _svg(drawing, [ax]), answer=answers.quality(study, seen))


def pareto(study: Study) -> Figure:
    """PSNR against latency, a panel for each of a few scales."""
    about = (
        "Latency of encoder and decoder together; the line joins the models that no other beats in both. Up and to the left "
        "is better."
    )
    timed, seen = _timed(study), _seen(study)
    scales = [scale for scale in study.values("scale", "psnr", **seen) if _points(study, scale, timed, seen)]
    scales = [scale for scale in PARETO_SCALES if scale in scales] or scales[:3]
    if not scales:
        return Figure("pareto", "PSNR against latency", about, "", "PSNR and latency of a model at the same scale")
    drawing, axes = _panels(len(scales))
    panels = [_points(study, scale, timed, seen) for scale in scales]
    labels = list(dict.fromkeys(point.label for points in panels for point in points))
    fronts: dict[float, list[tuple[str, float, float]]] = {}
    for ax, scale, points in zip(axes, scales, panels, strict=True):
        for point in points:
            ax.plot(
                point.x, point.y, linestyle="none", markersize=8, label=point.label, **_look(labels.index(point.label))
            )
        front = pareto_front([(point.x, point.y) for point in points])
        fronts[scale] = [(label, x, y) for x, y in front for label in [p.label for p in points if p[1:] == (x, y)][:1]]
        ax.plot(*zip(*front, strict=True), color=INK, linewidth=1, alpha=0.5, zorder=0)
        ax.set(title=f"×{scale:g}", xlabel="latency (ms)", ylabel="PSNR (dB)", xscale="log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    about = f"{about} PSNR on {seen['set']}, protocol {seen['protocol']}. {_timing(timed)}"
    scale = min(fronts, key=lambda scale: abs(scale - answers.REFERENCE_SCALE))
    answer = answers.latency(scale, fronts[scale])
    return Figure("pareto", "PSNR against latency", about, _svg(drawing, axes), answer=answer)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, quality) that no other point matches in both, in order of cost."""
    front: list[tuple[float, float]] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or quality > front[-1][1]:
            front.append((cost, quality))
    return front


def efficiency(study: Study) -> Figure:
    """MACs against scale, latency as the size of a bubble, decoder parameters as its colour."""
    about = (
        "Multiply-accumulates of the decoder in its plain form. The size of a bubble is its latency as run, its colour the "
        "decoder's parameters."
    )
    timed = _timed(study)
    rows = [
        Row(study.label(model), None, scale, metrics)
        for model in dict.fromkeys(s.architecture for s in study.main if s.encoder)
        for scale in study.values("scale", "decoder_ms", architecture=model, **timed)
        if (metrics := study.metrics(architecture=model, scale=scale, **timed)).keys() >= DRAWN
    ]
    if not rows:
        return Figure("efficiency", "Cost against scale", about, "", "a profile with latency")
    drawing = drawing_of_efficiency(rows)
    svg = _svg(drawing, drawing.axes[:1], legend=False)
    answer = answers.cost(study, timed)
    return Figure("efficiency", "Cost against scale", f"{about} {_timing(timed)}", svg, answer=answer)


def cmsr(study: Study) -> Figure:
    """The savings and losses that an allowed MSE brings, for each model and scale."""
    about = (
        "PSNR lost, and MACs (dashed) and time (solid) of the decoder saved, against the MSE allowed: a line per scale."
    )
    cases: list[dict[str, Any]] = [
        where | {"subject": subject, "scale": scale}
        for where in study.measured_on("cmsr_mse")
        for subject in study.main
        for scale in study.values("scale", "cmsr_mse", subject=subject, **where)
    ]
    if not cases:
        return Figure("cmsr", "CMSR", about, "", "evaluations with CMSR")
    drawing, (saving, lost_axes) = _panels(2)
    for i, where in enumerate(cases):
        allowed = filter(math.isfinite, study.values("threshold", "cmsr_mse", **where))
        found = {t: study.metrics(threshold=t, **where) for t in allowed}
        full = study.metrics(threshold=None, **where)
        _line(saving, i, [(t, 100 * m["time_saved"]) for t, m in found.items() if "time_saved" in m])
        _line(saving, i, [(t, 100 * m["macs_saved"]) for t, m in found.items()], linestyle="--")
        lost = [(t, full["psnr"] - m["psnr"]) for t, m in found.items() if full]
        label = f"{study.label(where['subject'])} ×{where['scale']:g}, {where['set']}"
        _line(lost_axes, i, lost, label=label)
    saving.set(xlabel="MSE allowed", ylabel="saved (%)", xscale="log")
    lost_axes.set(xlabel="MSE allowed", ylabel="PSNR lost (dB)", xscale="log")
    return Figure("cmsr", "CMSR", about, _svg(drawing, [lost_axes, saving]), answer=answers.cmsr(study))


def themed(svg: str) -> str:
    """A drawing by matplotlib as a part of a page: as wide as there is room, with black as the page's colour of text."""
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace("#000000", "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    head = r'<svg [^>]*?viewBox="(0 0 ([\d.]+) [\d.]+)"[^>]*>'
    return re.sub(head, r'<svg viewBox="\1" style="max-width: \2pt">', svg, count=1)


def _timed(study: Study) -> dict[str, Any]:
    """The conditions under which latencies are compared: the largest LR picture, and the machine that timed most of it."""
    machines: dict[Any, Counter[str]] = {}
    for finding in study.findings:
        if "decoder_ms" in finding.metrics:
            machines.setdefault(finding.lr_size, Counter())[finding.machine] += 1
    if not machines:
        return {}
    largest = max(machines)
    return {"lr_size": largest, "machine": machines[largest].most_common(1)[0][0]}


def _timing(timed: dict[str, Any]) -> str:
    height, width = timed["lr_size"]
    return f"LR picture of {height} × {width}, on {timed['machine']}."


def _seen(study: Study) -> dict[str, Any]:
    """The conditions under which PSNR is compared: the set and protocol with most measurements, the first of equals."""
    full = [f for f in study.select(threshold=None) if "psnr" in f.metrics]
    on = Counter((f.result.set, f.result.protocol) for f in full).most_common(1)
    return {"set": on[0][0][0], "protocol": on[0][0][1], "threshold": None} if on else {}


def _points(study: Study, scale: float, timed: dict[str, Any], seen: dict[str, Any]) -> list[_Point]:
    """A point for each model whose PSNR and latency were both measured at a scale."""
    points = []
    for subject in study.main:
        psnr = study.spread("psnr", subject=subject, scale=scale, **seen)
        encoder, decoder = (
            study.spread(metric, architecture=subject.architecture, scale=scale, **timed)
            for metric in ("encoder_ms", "decoder_ms")
        )
        if psnr and encoder and decoder:
            points.append(_Point(study.label(subject), encoder.mean + decoder.mean, psnr.mean))
    return points


def _panels(count: int, width: float = 4.2) -> tuple[Drawing, Sequence[Axes]]:
    drawing = Drawing(figsize=(max(width * count, 5), 3.8), layout="constrained")
    return drawing, list(drawing.subplots(1, count, squeeze=False)[0])


def _line(ax: Axes, number: int, points: Sequence[tuple[float, float]], **style: Any) -> None:
    if points:
        ax.plot(*zip(*points, strict=True), markersize=5, linewidth=1.5, **_look(number), **style)


def _look(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def _svg(drawing: Drawing, axes: Sequence[Axes], legend: bool = True) -> str:
    for ax in axes:
        ax.grid(color=INK, alpha=0.15, linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_facecolor("none")
    if legend:
        handles, labels = axes[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
    legible(drawing, as_outlines=False)
    out = io.StringIO()
    # Text stays text, for readers and search; a fixed salt and no date make the same drawing the same file.
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lmf-sr", "savefig.transparent": True}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a browser has other fonts
        drawing.savefig(out, format="svg", metadata={"Date": None}, bbox_inches="tight", transparent=True)
    return themed(out.getvalue())
