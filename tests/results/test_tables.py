"""Tables join what several records say of one model, set and scale; a metric that is missing is an empty cell."""

import csv
import io
import math
import os

from rich.console import Console

from lmf_sr.results.records import Result
from lmf_sr.results.tables import COLUMNS, Row, csv_text, markdown, rows, terminal

FOUND = [
    {"bicubic": [Result(2.0, {"psnr": 33.684}, set="Set5"), Result(2.0, {"psnr": 30.0}, set="Set14")]},
    {"lm-liif": [Result(2.0, {"psnr": 37.5}, set="Set5"), Result(2.7, {"psnr": math.inf}, set="Set5")]},
    {"lm-liif": [Result(2.0, {"decoder_parameters": 165_651, "decoder_macs": 10_935_705_600})]},
]


def test_costs_stand_beside_the_psnr_of_the_same_model_and_scale() -> None:
    assert rows(FOUND) == [
        Row("bicubic", "Set5", 2.0, {"psnr": 33.684}),
        Row("bicubic", "Set14", 2.0, {"psnr": 30.0}),
        Row("lm-liif", "Set5", 2.0, {"psnr": 37.5, "decoder_parameters": 165_651, "decoder_macs": 10_935_705_600}),
        Row("lm-liif", "Set5", 2.7, {"psnr": math.inf}),
    ]


def test_costs_alone_make_rows_without_a_set() -> None:
    assert [row.set for row in rows(FOUND[2:])] == [None]


def test_markdown() -> None:
    assert markdown(rows(FOUND)) == (
        "| model | set | scale | PSNR (dB) | decoder parameters (k) | decoder MACs, plain form (G) |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |\n"
        "| bicubic | Set5 | 2 | 33.68 |  |  |\n"
        "| bicubic | Set14 | 2 | 30.00 |  |  |\n"
        "| lm-liif | Set5 | 2 | 37.50 | 165.7 | 10.94 |\n"
        "| lm-liif | Set5 | 2.7 | inf |  |  |\n"
    )


def test_csv_keeps_every_digit_in_base_units() -> None:
    lines = list(csv.DictReader(io.StringIO(csv_text(rows(FOUND)))))
    assert lines[0]["psnr"] == "33.684"
    assert lines[0]["decoder_macs"] == ""
    assert int(lines[2]["decoder_macs"]) == 10_935_705_600


def test_the_terminal_shows_every_row() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal(rows(FOUND), title="of two models"))
    text = console.export_text()
    assert "of two models" in text
    assert text.count("Set5") == 3


def test_the_terminal_says_once_what_is_the_same_in_every_row() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal(rows(FOUND)[2:]))
    assert console.export_text().count("lm-liif") == 1


def test_every_count_of_macs_names_its_form() -> None:
    assert all(
        "plain" in c.title or "as run" in c.title for name, c in COLUMNS.items() if name.startswith("decoder_macs")
    )


def test_names_do_not_break_the_files() -> None:
    odd = rows([{"a|b": [Result(2.0, {"psnr": 30.0}, set=os.fsdecode(b"caf\xe9"))]}])
    assert r"| a\|b | caf\xe9 | 2 | 30.00 |" in markdown(odd)
    assert r"a|b,caf\xe9,2.0,30.0" in csv_text(odd)
    markdown(odd).encode()
    csv_text(odd).encode()
