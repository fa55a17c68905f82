"""A table of measurements, in four forms: Markdown, CSV, LaTeX and on a terminal.

A cell is text, a number, a mean with its spread over seeds, or None where nothing was measured. Markdown, LaTeX and the
terminal show numbers in the units of their columns; CSV has them in base units and full precision, by the names of metrics.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from tabulate import LATEX_ESCAPE_RULES, tabulate

from lmf_sr.results.columns import Column
from lmf_sr.results.statistics import Spread
from lmf_sr.results.terminal import TerminalTable
from lmf_sr.text import printable

STD = "_std"
"""The suffix of the column of a file that holds the standard deviations of another."""


@runtime_checkable
class Shown(Protocol):
    """A cell with a text of its own."""

    def shown(self, column: Column) -> str:
        """Its text under a column."""


Value = str | int | float | Spread | Shown | None


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns.

    title: stands above it.
    note: stands below it.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    title: str = ""
    note: str = ""

    @classmethod
    def of_text(cls, header: Sequence[str], lines: Sequence[Sequence[str]], labels: int = 1) -> "Table":
        """A table of cells that are text. The first `labels` columns tell the rows apart, and the others are numbers."""
        return cls([Column(title, title, "" if i < labels else "s") for i, title in enumerate(header)], lines)

    def markdown(self) -> str:
        """The rows as a Markdown table, without title and note."""
        cells = [[cell.replace("|", "\\|") for cell in line] for line in self._text()]
        return f"{self._tabulated(cells, 'pipe')}\n"

    def latex(self) -> str:
        """A `tabular` for the booktabs package."""
        return _with_symbols(self._tabulated(self._text(), "latex_booktabs"))

    def csv(self) -> str:
        """The rows as CSV. A column with spreads is followed by NAME_std."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        data = self.data()
        writer.writerow(data)
        writer.writerows(zip(*data.values(), strict=True))
        return printable(out.getvalue())

    def terminal(self) -> TerminalTable:
        """The table for `rich.print`, as wide as the terminal allows."""
        labels = sum(column.is_label for column in self.columns)
        header = [column.title for column in self.columns]
        return TerminalTable(header, self._text(), labels, self.title or None, self.note)

    def data(self) -> dict[str, list[Any]]:
        """The columns of a file, as lists of plain values by name, in base units."""
        data: dict[str, list[Any]] = {}
        for i, column in enumerate(self.columns):
            cells = [row[i] for row in self.rows]
            spreads = [cell for cell in cells if isinstance(cell, Spread)]
            data[column.name] = [cell.mean if isinstance(cell, Spread) else cell for cell in cells]
            if spreads:
                data[column.name + STD] = [
                    cell.std if isinstance(cell, Spread) and cell.seeds > 1 else None for cell in cells
                ]
        return data

    def _text(self) -> list[list[str]]:
        return [[text_of(cell, column) for cell, column in zip(row, self.columns, strict=True)] for row in self.rows]

    def _tabulated(self, cells: Sequence[Sequence[str]], form: str) -> str:
        return tabulate(
            cells,
            [column.title for column in self.columns],
            form,
            colalign=["left" if column.is_label else "right" for column in self.columns] if cells else None,
            disable_numparse=True,
        )


def text_of(cell: Value, column: Column) -> str:
    """The text of a cell, such as `30.27 ± 0.02` for a spread over several seeds; empty for None."""
    if cell is None:
        return ""
    if isinstance(cell, Spread):
        mean = column.number(cell.mean).replace("-", "−")
        return f"{mean} ± {column.number(cell.std)}" if cell.std > 0 else mean
    if isinstance(cell, str):
        return printable(cell)
    if isinstance(cell, int | float):
        return column.number(cell) if column.style else f"{cell:g}" if isinstance(cell, float) else str(cell)
    return cell.shown(column)


def latex_text(text: str) -> str:
    """Text for LaTeX, with its special characters escaped."""
    escaped = re.sub(r"[&%$#_{}\\~^<>]", lambda match: LATEX_ESCAPE_RULES[match[0]], printable(text))
    return _with_symbols(escaped)


def _with_symbols(text: str) -> str:
    return re.sub("|".join(_LATEX), lambda match: _LATEX[match[0]], text)


_LATEX = {"±": r"$\pm$", "×": r"$\times$", "−": r"$-$", "–": "--"}
