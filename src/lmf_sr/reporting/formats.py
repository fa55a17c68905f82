"""The paper's tables as Markdown, LaTeX and CSV. A cell is mean ± std over seeds (published figure, difference).

Markdown and LaTeX show the same as the page. CSV has a line for each cell, in base units and full precision.
"""

from lmf_sr.reporting.paper_tables import Cell, PaperTable
from lmf_sr.reporting.published import sources
from lmf_sr.results.columns import Column
from lmf_sr.results.table import Table, Value, latex_text

CSV_COLUMNS = [
    *(Column(name, name) for name in ("table", "block", "row", "metric", "scale")),
    *(Column(name, name, "g") for name in ("mean", "std", "seeds", "published", "difference")),
    Column("source", "source"),
]


def markdown(table: PaperTable) -> str:
    """A heading, and the blocks beneath each other."""
    parts = [f"# {table.name} {table.title}", table.about, _reading(table)]
    for block in table.blocks:
        parts += [f"## {block.title}", block.markdown().strip(), block.note]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(table: PaperTable) -> str:
    """A `table` environment for each block, for the booktabs package."""
    parts = [f"% {table.name}: {table.title}. Needs \\usepackage{{booktabs}}."]
    for block in table.blocks:
        caption = latex_text(f"{table.title}. {block.title}. {block.note}".strip())
        head = "\\begin{table}\n\\centering\\small\n\\caption{" + caption + "}"
        parts.append(f"{head}\n{block.latex()}\n\\end{{table}}")
    return "\n\n".join(parts) + "\n"


def csv_text(table: PaperTable) -> str:
    """CSV with a line for each cell, also for an empty one."""
    lines: list[list[Value]] = []
    for block in table.blocks:
        for label, *cells in block.rows:
            for column, cell in zip(block.columns[1:], cells, strict=True):
                assert isinstance(label, str)
                assert isinstance(cell, Cell)
                measured = cell.measured or (None,) * 3
                figure = (
                    (cell.published.value, cell.difference, cell.published.source) if cell.published else [None] * 3
                )
                lines.append([table.name, block.title, label, column.name, column.scale, *measured, *figure])
    return Table(CSV_COLUMNS, lines).csv()


def used_sources(table: PaperTable) -> dict[str, str]:
    """The sources of a table's published figures, by key."""
    cells = [cell for block in table.blocks for row in block.rows for cell in row if isinstance(cell, Cell)]
    used = {cell.published.source for cell in cells if cell.published}
    return {key: text for key, text in sources().items() if key in used}


def _reading(table: PaperTable) -> str:
    used = used_sources(table)
    return (
        f"In brackets: published, and the difference to it. {' '.join(f'{t}.' for t in used.values())}" if used else ""
    )
