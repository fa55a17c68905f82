"""Tables as Markdown, LaTeX and CSV. In a cell: mean ± std over seeds (published figure, difference).

Markdown and LaTeX show what a page shows; CSV has a line for each cell, in base units and full precision.
"""

import csv
import io
import re

from lmf_sr.reporting.published import sources
from lmf_sr.reporting.tables import Cell, Heading, Table

CSV_COLUMNS = (
    "table", "block", "row", "metric", "scale", "mean", "std", "seeds", "published", "difference", "source",
)  # fmt: skip


def measured_text(cell: Cell, heading: Heading) -> str:
    """As `30.27 ± 0.02`; without spread where there is none."""
    if cell.measured is None:
        return ""
    mean, std, _ = cell.measured
    spread = f" ± {_number(std, heading)}" if std > 0 else ""
    return _number(mean, heading) + spread


def published_text(cell: Cell, heading: Heading) -> str:
    """As `30.27, −0.15`: the figure, and how far above it the measured one lies."""
    if cell.published is None:
        return ""
    figure = _number(cell.published.value, heading)
    return figure if cell.difference is None else f"{figure}, {_number(cell.difference, heading, sign='+')}"


def markdown(table: Table) -> str:
    """A heading, and the blocks beneath each other."""
    parts = [f"# {table.name} {table.title}", table.about, _reading(table)]
    for block in table.blocks:
        lines = [[block.corner, *(heading.title for heading in block.headings)]]
        lines += [["---", *["---:"] * len(block.headings)]]
        lines += [[row.label.replace("|", "\\|"), *map(_cell, row.cells, block.headings)] for row in block.rows]
        parts += [f"## {block.title}", "\n".join(f"| {' | '.join(line)} |" for line in lines), block.note]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(table: Table) -> str:
    """A `table` environment for each block, for the booktabs package."""
    parts = [f"% {table.name}: {table.title}. Needs \\usepackage{{booktabs}}."]
    for block in table.blocks:
        lines = [[block.corner, *(heading.title for heading in block.headings)]]
        lines += [[row.label, *map(_cell, row.cells, block.headings)] for row in block.rows]
        head, *body = (" & ".join(map(_escaped, line)) + r" \\" for line in lines)
        caption = _escaped(f"{table.title}. {block.title}. {block.note}".strip())
        parts += [
            "\n".join(
                [
                    r"\begin{table}",
                    r"\centering\small",
                    rf"\caption{{{caption}}}",
                    rf"\begin{{tabular}}{{l{'r' * len(block.headings)}}}",
                    *(r"\toprule", head, r"\midrule", *body, r"\bottomrule"),
                    r"\end{tabular}",
                    r"\end{table}",
                ]
            )
        ]
    return "\n\n".join(parts) + "\n"


def csv_text(table: Table) -> str:
    """A line for each cell, empty ones too."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for block in table.blocks:
        for row in block.rows:
            for heading, cell in zip(block.headings, row.cells, strict=True):
                where = (table.name, block.title, row.label, heading.metric, heading.scale)
                figure = (
                    (cell.published.value, cell.difference, cell.published.source) if cell.published else (None,) * 3
                )
                writer.writerow([*where, *(cell.measured or (None,) * 3), *figure])
    return out.getvalue()


def used_sources(table: Table) -> dict[str, str]:
    """Where the published figures of a table come from, by key."""
    used = {
        cell.published.source for block in table.blocks for row in block.rows for cell in row.cells if cell.published
    }
    return {key: text for key, text in sources().items() if key in used}


def _reading(table: Table) -> str:
    used = used_sources(table)
    return (
        f"In brackets: published, and the difference to it. {' '.join(f'{text}.' for text in used.values())}"
        if used
        else ""
    )


def _cell(cell: Cell, heading: Heading) -> str:
    figure = published_text(cell, heading)
    return " ".join(part for part in (measured_text(cell, heading), f"({figure})" if figure else "") if part)


def _number(value: float, heading: Heading, sign: str = "") -> str:
    return format(value / heading.column.unit, sign + heading.column.style).replace("-", "−")


_LATEX = {
    "±": r"$\pm$", "×": r"$\times$", "−": r"$-$", "–": "--", "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
} | {c: f"\\{c}" for c in "%&_#${}"}  # fmt: skip


def _escaped(text: str) -> str:
    return re.sub("|".join(map(re.escape, _LATEX)), lambda match: _LATEX[match[0]], text)
