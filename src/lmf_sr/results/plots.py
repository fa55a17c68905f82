"""Figures from result rows and pictures; written as PNG, PDF or SVG, by the suffix."""

from collections.abc import Mapping, Sequence
from math import floor, log10, sqrt
from pathlib import Path

from jaxtyping import Float, Int
from matplotlib import colormaps, font_manager
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font
from matplotlib.text import Text
from torch import Tensor

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.geometry import Region
from lmf_sr.results.columns import METRICS
from lmf_sr.results.rows import Row
from lmf_sr.text import printable

# The colours of Okabe & Ito (2008) can be told apart with any colour vision; the markers help in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def against_scale(
    rows: Sequence[Row], path: Path, metrics: Sequence[str] = ("psnr", "decoder_macs", "decoder_ms"), title: str = ""
) -> None:
    """Draws a panel for each metric against scale, with a line for each model; costs are on a logarithmic axis.

    Args:
        rows: rows of one set, or rows without a set.
        path: the file to write.
        metrics: names of `METRICS`; those that no row has are left out.
        title: stands above the panels.
    """
    shown = [name for name in metrics if any(name in row.metrics for row in rows)]
    models = list(dict.fromkeys(row.model for row in rows))
    figure = Figure(figsize=(4.2 * len(shown), 3.6), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for ax, name in zip(axes, shown, strict=True):
        column = METRICS[name]
        for i, model in enumerate(models):
            points = sorted(
                (r.scale, r.metrics[name] / column.unit) for r in rows if r.model == model and name in r.metrics
            )
            scales, values = zip(*points, strict=True) if points else ((), ())
            colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
            ax.plot(scales, values, label=model, color=colour, marker=marker, markersize=5, linewidth=1.5)
        ax.set(xlabel="scale", ylabel=column.title, yscale="linear" if name in ("psnr", "ssim") else "log")
        ax.grid(color="#dddddd", linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(models), frameon=False)
    figure.suptitle(title)
    save(figure, path)


def efficiency(rows: Sequence[Row], inches: tuple[float, float] = (8.0, 5.0)) -> Figure:
    """Draws the cost of decoding as plain MACs against scale, with latencies as bubbles and the decoder's parameters as
    colours.

    Args:
        rows: rows with `decoder_macs`, `decoder_ms` and `decoder_parameters`, for one LR size; a line joins each
            model's.
        inches: width and height.
    """
    figure = Figure(figsize=inches, layout="constrained")
    ax = figure.subplots()
    names = list(dict.fromkeys(row.model for row in rows))
    parameters = [row.metrics["decoder_parameters"] / 1e3 for row in rows]
    norm, colours = LogNorm(min(parameters), max(parameters)), colormaps["viridis_r"]
    seconds = [row.metrics["decoder_ms"] / 1e3 for row in rows]
    longest = max(seconds)
    for name in names:
        points = sorted((row for row in rows if row.model == name), key=lambda row: row.scale)
        scales = [row.scale for row in points]
        macs = [row.metrics["decoder_macs"] / 1e9 for row in points]
        colour = colours(float(norm(points[0].metrics["decoder_parameters"] / 1e3)))
        sizes = [bubble(row.metrics["decoder_ms"] / 1e3, longest) for row in points]
        ax.plot(scales, macs, color=colour, linewidth=1)
        ax.scatter(scales, macs, sizes, color=[colour], alpha=0.6, edgecolors="black", linewidths=0.5)
        ax.annotate(name, (scales[-1], macs[-1]), xytext=(20, 0), textcoords="offset points", va="center", fontsize=9)
    shown = [10.0**power for power in range(floor(log10(min(seconds))), floor(log10(longest)) + 1)]
    keys = [ax.scatter([], [], bubble(s, longest), color="#bbbbbb", edgecolors="black", linewidths=0.5) for s in shown]
    labels = [f"{s:g} s" for s in shown]
    figure.legend(
        keys, labels, title="latency", loc="outside lower center", ncols=len(keys), frameon=False, handletextpad=1.5
    )
    ax.set(xlabel="scale", ylabel=METRICS["decoder_macs"].title, yscale="log")
    ax.margins(x=0.18, y=0.12)
    ax.set_xlim(left=0)
    ax.grid(color="#dddddd", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    figure.colorbar(ScalarMappable(norm, colours), ax=ax, label=METRICS["decoder_parameters"].title)
    return figure


def bubble(seconds: float, longest: float) -> float:
    """The area of a bubble, in square points. It grows with the root, because seconds spread over decades."""
    return 1200 * sqrt(seconds / longest)


def side_by_side(
    rows: Sequence[Mapping[str, Float[Tensor, "3 _ _"]]],
    path: Path,
    row_titles: Sequence[str] = (),
    inches: float = 2.0,
) -> None:
    """Pictures in [0, 1] beside each other, each under its label, a row of them for each mapping; pixels stay visible.

    Args:
        rows: label to picture.
        path: the file to write.
        row_titles: at the left of each row, if given.
        inches: width of a picture.
    """
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(inches * columns, (inches + 0.3) * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.set_frame_on(False)
    for line, row in zip(axes, rows, strict=True):
        for ax, (label, picture) in zip(line, row.items(), strict=False):
            ax.imshow(picture.clamp(0, 1).permute(1, 2, 0).numpy(force=True), interpolation="nearest")
            ax.set_title(label, fontsize=8)
    for line, title in zip(axes, row_titles, strict=False):
        line[0].set_ylabel(title, fontsize=9)
    save(figure, path)


def modulation_maps(
    picture: Float[Tensor, "3 h w"],
    intensity: Float[Tensor, "h w"],
    levels: Int[Tensor, "h w"] | None,
    level_names: Sequence[str],
    path: Path,
) -> None:
    """CMSR's intensity over a picture in [0, 1] and, if given, the level each place is rendered at.

    Args:
        picture: the LR picture.
        intensity: at each of its pixels.
        levels: numbers of `level_names`, coarse to fine.
        level_names: for the colour bar.
        path: the file to write.
    """
    h, w = intensity.shape
    panels = 1 if levels is None else 2
    figure = Figure(figsize=(6 * panels, 6 * h / w + 0.6), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    grey = picture.mean(0).numpy(force=True)
    for ax in axes:
        ax.imshow(grey, cmap="gray", vmin=0, vmax=1)
        ax.set_axis_off()
    drawn = axes[0].imshow(intensity.numpy(force=True), cmap="inferno", alpha=0.7)
    axes[0].set_title("intensity")
    figure.colorbar(drawn, ax=axes[0], shrink=0.8)
    if levels is not None:
        colours = colormaps["viridis"].resampled(len(level_names))
        drawn = axes[1].imshow(
            levels.numpy(force=True), cmap=colours, alpha=0.7, vmin=-0.5, vmax=len(level_names) - 0.5
        )
        axes[1].set_title("rendered at")
        bar = figure.colorbar(drawn, ax=axes[1], shrink=0.8, ticks=range(len(level_names)))
        bar.ax.set_yticklabels(level_names)
    save(figure, path)


def crop(picture: Float[Tensor, "3 H W"], region: Region) -> Float[Tensor, "3 H2 W2"]:
    """The pixels of a window (top, left, height, width), in fractions of the picture, rounded to whole pixels."""
    H, W = picture.shape[1:]
    top, left, height, width = region
    window = picture[:, round(top * H) : round((top + height) * H), round(left * W) : round((left + width) * W)]
    if window.numel() == 0:
        raise InputError(f"region {region} holds no pixel of a picture of {H} x {W}")
    return window


def save(figure: Figure, path: Path) -> None:
    """Writes a figure in the format that the suffix names."""
    legible(figure)
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix.lstrip("."), dpi=150, bbox_inches="tight")


def legible(figure: Figure, as_outlines: bool = True) -> None:
    """Makes the texts of a figure show what they say, whatever names stand in them.

    A `$` is no mathematics. Bytes that are no UTF-8 are spelt out. Characters that the font lacks are taken from another
    font of this machine, and where none has them, they are spelt as their code points.

    Args:
        figure: a figure that is complete.
        as_outlines: whether letters are drawn here; where the text stays text, a reader's fonts count.
    """
    formatted = {
        text
        for axis in figure.findobj(Axis)
        for text in (*axis.get_majorticklabels(), *axis.get_minorticklabels(), axis.get_offset_text())
    }  # whose own powers of ten are mathematics
    texts: list[Text] = [text for text in figure.findobj(Text) if text not in formatted]
    for text in texts:
        text.set_parse_math(False)
        text.set_text(printable(text.get_text()))
    if not as_outlines:
        return
    lacking = {character for text in texts for character in _lacking(text)}
    fonts, missing = _fonts_with(lacking)
    for text in texts:
        if _lacking(text):
            text.set_fontfamily([*text.get_fontfamily(), *fonts])
            text.set_text("".join(f"U+{ord(c):04X} " if c in missing else c for c in text.get_text()).rstrip())


def _lacking(text: Text) -> set[str]:
    """The characters that the font of a text has no glyph for."""
    font = get_font(font_manager.findfont(text.get_fontproperties()))
    return {c for c in text.get_text() if c != "\n" and not font.get_char_index(ord(c))}


def _fonts_with(characters: set[str]) -> tuple[list[str], set[str]]:
    """The names of installed fonts that have the characters between them, and the characters that no font has."""
    names, missing = [], set(characters)
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda entry: ("CJK" not in entry.name, entry.name)):
        if not missing:
            break
        if entry.name.startswith("Last Resort"):  # it has a box for every character there is
            continue
        font = get_font(entry.fname)
        if has := {c for c in missing if font.get_char_index(ord(c))}:
            names.append(entry.name)
            missing -= has
    return names, missing
