"""One table in four forms, each of which can be read back."""

import csv
import io
import os

import pytest
from tabulate import LATEX_ESCAPE_RULES

from lmf_sr.results.columns import METRICS, Column
from lmf_sr.results.statistics import Spread
from lmf_sr.results.table import Table, latex_text, text_of

PSNR, MACS = METRICS["psnr"], METRICS["decoder_macs"]
TABLE = Table(
    [Column("model", "model"), Column("seed", "seed"), PSNR, MACS],
    [["a|b_%", 1_000_000, Spread(30.251, 0.024, 2), 2.5e9], [os.fsdecode(b"caf\xe9"), 2, Spread(-1.0, 0.0, 1), None]],
)


def cells(markdown: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.replace(r"\|", "/").split("|")[1:-1]] for line in markdown.splitlines()]


def test_markdown() -> None:
    header, rule, *body = cells(TABLE.markdown())
    assert header == ["model", "seed", "PSNR (dB)", "decoder MACs, plain form (G)"]
    assert [line.endswith(":") for line in rule] == [False, False, True, True]
    assert body == [["a/b_%", "1000000", "30.25 ± 0.02", "2.50"], [r"caf\xe9", "2", "−1.00", ""]]


def test_csv_is_in_base_units_with_the_spread_beside() -> None:
    lines = list(csv.DictReader(io.StringIO(TABLE.csv())))
    assert lines == [
        {"model": "a|b_%", "seed": "1000000", "psnr": "30.251", "psnr_std": "0.024", "decoder_macs": "2500000000.0"},
        {"model": r"caf\xe9", "seed": "2", "psnr": "-1.0", "psnr_std": "", "decoder_macs": ""},
    ]


def test_latex() -> None:
    text = TABLE.latex()
    assert text.startswith(r"\begin{tabular}{llrr}")
    assert r"a|b\_\%" in text
    assert r"30.25 $\pm$ 0.02" in text
    assert r"$-$1.00" in text
    assert r"caf\textbackslash{}xe9" in text


def test_text_for_latex_is_escaped_as_in_its_tables() -> None:
    special = "".join(LATEX_ESCAPE_RULES)
    assert set(special) == set("&%$#_{}\\~^<>")  # what tabulate escapes
    escaped = latex_text(special)
    assert Table([Column("x", "x")], [[special]]).latex().count(escaped) == 1


def test_cells_that_are_text_already() -> None:
    table = Table.of_text(["form", "ms"], [["plain", "1,234"], ["fast", "1.0"]])
    assert cells(table.markdown())[2:] == [["plain", "1,234"], ["fast", "1.0"]]
    assert table.csv() == 'form,ms\nplain,"1,234"\nfast,1.0\n'


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_a_table_without_rows(form: str) -> None:
    assert "PSNR" in getattr(Table(TABLE.columns, []), form)() or form == "csv"


def test_cells_as_people_read_them() -> None:
    assert text_of(None, PSNR) == ""
    assert text_of(30.0, PSNR) == "30.00"
    assert text_of(2.0, Column("scale", "scale")) == "2"
    assert text_of(1_000_000, Column("seed", "seed")) == "1000000"
    assert text_of(True, Column("x", "x")) == "True"
