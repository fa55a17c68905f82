"""A table on a terminal, with as many columns as there is room for.

Where the whole table does not fit, its columns of numbers are shown in several tables below each other, each with the
columns that tell the rows apart. A table of one row, and one whose labels alone leave no room, becomes records: a line for
each cell. No number is ever broken in two, and no title within a word.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lmf_sr.text import printable

ALWAYS = "scale"  # a column that is shown even where it is the same in all rows


@dataclass(frozen=True)
class TerminalTable:
    """A table for `rich.print`. Columns that are the same in all rows, except the scale, become a line below it.

    Args:
        header: the columns' titles.
        body: rows of cells.
        labels: the number of columns that tell the rows apart; the others are numbers.
        title: stands above.
        note: stands below.
    """

    header: Sequence[str]
    body: Sequence[Sequence[str]]
    labels: int
    title: str | None = None
    note: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [*zip(self.header, *self.body, strict=True)]  # a title and its cells
        same = [number for number, (name, *cells) in enumerate(columns) if self._is_same(name, cells)]
        labels = [columns[i] for i in range(self.labels) if i not in same]
        numbers = [columns[i] for i in range(self.labels, len(columns)) if i not in same]
        below = [*(f"{columns[i][0]}: {columns[i][1]}" for i in same), *filter(None, [self.note])]

        if self.title is not None:
            yield Text(printable(self.title), style="italic")
        if len(self.body) > 1 and all(
            _fits(_grid(labels, [n], True), console, options) for n in numbers or [labels[0]]
        ):
            yield from _grids(labels, numbers, console, options)
        else:
            yield from _records(labels, numbers, len(self.body), options.max_width)
        if below:
            yield Text(printable("; ".join(below)), style="dim italic")

    def _is_same(self, name: str, cells: Sequence[str]) -> bool:
        return name != ALWAYS and len(set(cells)) == 1 < len(self.body)


Column = Sequence[str]
"""A title and cells."""


def _grids(
    labels: Sequence[Column], numbers: Sequence[Column], console: Console, options: ConsoleOptions
) -> Iterator[Table]:
    """Yields as few tables as hold all numbers. Their titles take several lines where there is little room."""
    shown: list[Column] = []
    for number in numbers:
        if shown and not _fits(_grid(labels, [*shown, number], True), console, options):
            yield _grid(labels, shown, True)
            shown = []
        shown.append(number)
    wide = _grid(labels, shown, False)
    yield wide if len(shown) == len(numbers) and _fits(wide, console, options) else _grid(labels, shown, True)


def _grid(labels: Sequence[Column], numbers: Sequence[Column], narrow: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=0)
    for title, *_ in labels:
        table.add_column(Text(printable(title)), vertical="bottom", no_wrap=True)
    for title, *cells in numbers:
        room = max(len(word) for word in (*title.split(), *map(_unbroken, cells))) if narrow else len(title)
        lines = textwrap.wrap(title, room, break_long_words=False, break_on_hyphens=False)
        table.add_column(Text("\n".join(lines)), vertical="bottom", justify="right", no_wrap=True)
    for row in zip(*(column[1:] for column in (*labels, *numbers)), strict=True):
        table.add_row(*(Text(_unbroken(printable(cell))) for cell in row))
    return table


def _fits(table: Table, console: Console, options: ConsoleOptions) -> bool:
    return Measurement.get(console, options.update(max_width=10_000), table).maximum <= options.max_width


def _unbroken(cell: str) -> str:
    """A number and its spread as one word: `30.27±0.02`."""
    return cell.replace(" ± ", "±")


def _records(labels: Sequence[Column], numbers: Sequence[Column], rows: int, width: int) -> Iterator[RenderableType]:
    """Yields the labels of each row, and below them an indented line for each number."""
    titles = max((len(title) for title, *_ in numbers), default=0)
    for row in range(1, rows + 1):
        named = ", ".join(f"{column[0]} {column[row]}" for column in labels if column[row])
        yield Text(printable(named), overflow="fold")
        for title, *cells in numbers:
            if cells[row - 1]:
                gap = max(1, min(titles + 2, width - 4 - len(cells[row - 1])) - len(title))
                yield Text(f"  {title}{' ' * gap}{cells[row - 1]}", overflow="fold")
        yield Text("")
