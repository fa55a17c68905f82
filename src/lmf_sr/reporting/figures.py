"""The figures of a report: SVG that takes on the colour of the page's text, so that it reads in light and in dark."""

import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import LogLocator, NullFormatter

from lmf_sr.evaluation.figures import COLOURS, MARKERS
from lmf_sr.reporting.study import Study

PARETO_SCALES = (2.0, 4.0, 8.0)
INK = "#010203"  # what becomes the page's own colour of text


class Figure(NamedTuple):
    """One figure; where there was nothing to draw, `svg` is empty and `note` says what is missing."""

    name: str
    title: str
    about: str
    svg: str
    note: str = ""


class _Point(NamedTuple):
    label: str
    x: float
    y: float


def all_figures(study: Study) -> list[Figure]:
    """All that are drawn from records; crops are pictures of their own."""
    return [pareto(study), efficiency(study), cmsr(study)]


def pareto(study: Study) -> Figure:
    """PSNR against latency, a panel for each of a few scales."""
    about = (
        "Of encoder and decoder together, on the LR picture whose costs were measured; the line joins the models that no "
        "other beats in both. Up and to the left is better."
    )
    panels = [(scale, points) for scale in _scales_with_both(study) if (points := _psnr_and_latency(study, scale))]
    if not panels:
        return Figure(
            "pareto", "PSNR against latency", about, "", "It needs PSNR and latency of a model at the same scale."
        )
    drawing, axes = _panels(len(panels))
    labels = list(dict.fromkeys(point.label for _, points in panels for point in points))
    for ax, (scale, points) in zip(axes, panels, strict=True):
        for point in points:
            ax.plot(
                point.x, point.y, linestyle="none", markersize=8, label=point.label, **_look(labels.index(point.label))
            )
        front = pareto_front([(point.x, point.y) for point in points])
        ax.plot(*zip(*front, strict=True), color=INK, linewidth=1, alpha=0.5, zorder=0)
        ax.set(title=f"×{scale:g}", xlabel="latency (ms)", ylabel="PSNR (dB)", xscale="log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    return Figure("pareto", "PSNR against latency", about, _svg(drawing, axes))


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points of (cost, quality) that no other is at least as cheap and as good as, by cost."""
    front: list[tuple[float, float]] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or quality > front[-1][1]:
            front.append((cost, quality))
    return front


def efficiency(study: Study) -> Figure:
    """MACs against scale, latency as the area of a bubble, decoder parameters as its colour."""
    about = (
        "Of the decoder, plain form. The area of a bubble is its latency as run, its colour the decoder's parameters."
    )
    models = [s.architecture for s in study.main if s.encoder]
    sizes = study.values("lr_size", "decoder_macs")
    found = []
    for model in dict.fromkeys(models):
        for scale in study.values("scale", "decoder_macs", architecture=model, lr_size=sizes[-1]):
            where: dict[str, Any] = {"architecture": model, "lr_size": sizes[-1], "scale": scale}
            macs, ms, parameters = (
                study.spread(m, **where) for m in ("decoder_macs", "decoder_ms", "decoder_parameters")
            )
            if macs and ms and parameters:
                found.append((model, scale, macs.mean, ms.mean, parameters.mean))
    if not found:
        return Figure("efficiency", "Efficiency", about, "", "It needs a profile with latency.")
    drawing = Drawing(figsize=(8, 4.6), layout="constrained")
    ax = drawing.subplots()
    longest = max(ms for *_, ms, _ in found)
    for model in dict.fromkeys(m for m, *_ in found):
        own = [(scale, macs / 1e9) for m, scale, macs, *_ in found if m == model]
        ax.plot(*zip(*own, strict=True), color=INK, alpha=0.35, linewidth=1, zorder=1)
        ax.annotate(study.label(model), own[-1], xytext=(18, 0), textcoords="offset points", color=INK, va="center")
    bubbles = ax.scatter(
        [scale for _, scale, *_ in found],
        [macs / 1e9 for _, _, macs, *_ in found],
        s=[12 + 900 * ms / longest for *_, ms, _ in found],
        c=[parameters / 1e3 for *_, parameters in found],
        cmap="viridis",
        alpha=0.8,
        edgecolors=INK,
        linewidths=0.5,
        zorder=2,
    )
    ax.margins(x=0.2, y=0.15)
    ax.set(xlabel="scale", ylabel="decoder MACs, plain form (G)", yscale="log")
    drawing.colorbar(bubbles, ax=ax, label="decoder parameters (k)").ax.tick_params(colors=INK)
    return Figure(
        "efficiency",
        "Efficiency: MACs, latency and parameters",
        f"{about} The largest bubble is {longest:,.0f} ms, of an LR picture of {sizes[-1][0]} × {sizes[-1][1]}.",
        _svg(drawing, [ax], legend=False),
    )


def cmsr(study: Study) -> Figure:
    """For each model and scale, what an allowed MSE saves and loses."""
    about = (
        "PSNR lost, and MACs (dashed) and time (solid) of the decoder saved, against the MSE allowed: a line per scale."
    )
    cases = [
        (subject, set_, scale)
        for set_ in study.values("set", "cmsr_mse")
        for subject in study.main
        for scale in study.values("scale", "cmsr_mse", subject=subject, set=set_)
    ]
    if not cases:
        return Figure("cmsr", "CMSR trade-off", about, "", "It needs evaluations with CMSR.")
    drawing, (saving, quality) = _panels(2)
    for i, (subject, set_, scale) in enumerate(cases):
        where: dict[str, Any] = {"subject": subject, "set": set_, "scale": scale}
        found = {t: study.metrics(threshold=t, **where) for t in study.values("threshold", "cmsr_mse", **where)}
        full = study.metrics(threshold=None, **where)
        _line(saving, i, [(t, 100 * m["time_saved"]) for t, m in found.items() if "time_saved" in m])
        _line(saving, i, [(t, 100 * m["macs_saved"]) for t, m in found.items()], linestyle="--")
        lost = [(t, full["psnr"] - m["psnr"]) for t, m in found.items() if full]
        _line(quality, i, lost, label=f"{study.label(subject)} ×{scale:g}, {set_}")
    saving.set(xlabel="MSE allowed", ylabel="saved (%)", xscale="log")
    quality.set(xlabel="MSE allowed", ylabel="PSNR lost (dB)", xscale="log")
    return Figure("cmsr", "CMSR trade-off", about, _svg(drawing, [quality, saving]))


def themed(svg: str) -> str:
    """A drawing by matplotlib as a part of a page: as wide as there is room, and black becomes the colour of text there."""
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace("#000000", "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    head = r'<svg [^>]*?viewBox="(0 0 ([\d.]+) [\d.]+)"[^>]*>'
    return re.sub(head, r'<svg viewBox="\1" style="max-width: \2pt">', svg, count=1)


def _scales_with_both(study: Study) -> list[float]:
    scales = [s for s in study.values("scale", "psnr", threshold=None) if s in study.values("scale", "decoder_ms")]
    return [scale for scale in PARETO_SCALES if scale in scales] or scales[:3]


def _psnr_and_latency(study: Study, scale: float) -> list[_Point]:
    """Of each model, on the first set that it was measured on."""
    points = []
    for subject in study.main:
        sets = study.values("set", "psnr", subject=subject, threshold=None)
        encoder, decoder = (
            study.spread(m, architecture=subject.architecture, scale=scale) for m in ("encoder_ms", "decoder_ms")
        )
        if not sets or not encoder or not decoder:
            continue
        psnr = study.spread("psnr", subject=subject, set=sets[0], scale=scale, threshold=None)
        if psnr:
            points.append(_Point(study.label(subject), encoder.mean + decoder.mean, psnr.mean))
    return points


def _panels(count: int) -> tuple[Drawing, Sequence[Axes]]:
    drawing = Drawing(figsize=(max(4.2 * count, 5), 3.8), layout="constrained")
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
    out = io.StringIO()
    # Text stays text, for readers and search; a fixed salt and no date make the same drawing the same file.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lmf-sr", "savefig.transparent": True}):
        drawing.savefig(out, format="svg", metadata={"Date": None}, bbox_inches="tight", transparent=True)
    return themed(out.getvalue())
