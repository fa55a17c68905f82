"""Rows join what several records say of one model, set and scale; a metric that is missing is an empty cell."""

import csv
import io
import math

from rich.console import Console

from lmf_sr.results.columns import METRICS
from lmf_sr.results.records import Result
from lmf_sr.results.rows import Row, joined, table

FOUND = [
    {"bicubic": [Result(2.0, {"psnr": 33.684}, set="Set5"), Result(2.0, {"psnr": 30.0}, set="Set14")]},
    {"lm-liif": [Result(2.0, {"psnr": 37.5}, set="Set5"), Result(2.7, {"psnr": math.inf}, set="Set5")]},
    {"lm-liif": [Result(2.0, {"decoder_parameters": 165_651, "decoder_macs": 10_935_705_600, "total_macs": 1})]},
]


def test_costs_stand_beside_the_psnr_of_the_same_model_and_scale() -> None:
    costs = {"decoder_parameters": 165_651, "decoder_macs": 10_935_705_600, "total_macs": 1}
    assert joined(FOUND) == [
        Row("bicubic", "Set5", 2.0, {"psnr": 33.684}),
        Row("bicubic", "Set14", 2.0, {"psnr": 30.0}),
        Row("lm-liif", "Set5", 2.0, {"psnr": 37.5, **costs}),
        Row("lm-liif", "Set5", 2.7, {"psnr": math.inf}),
    ]


def test_costs_alone_make_rows_without_a_set() -> None:
    assert [row.set for row in joined(FOUND[2:])] == [None]
    assert "set" not in [column.name for column in table(joined(FOUND[2:])).columns]


def test_a_column_for_each_metric_that_some_row_has() -> None:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(joined(FOUND)).markdown().splitlines()]
    assert lines[0] == [
        "model", "set", "scale", "PSNR (dB)", "decoder parameters (k)", "decoder MACs, plain form (G)",
    ]  # fmt: skip
    assert lines[2:] == [
        ["bicubic", "Set5", "2", "33.68", "", ""],
        ["bicubic", "Set14", "2", "30.00", "", ""],
        ["lm-liif", "Set5", "2", "37.50", "165.7", "10.94"],
        ["lm-liif", "Set5", "2.7", "inf", "", ""],
    ]


def test_files_have_every_metric_in_base_units_with_every_digit() -> None:
    lines = list(csv.DictReader(io.StringIO(table(joined(FOUND), without=()).csv())))
    assert lines[0]["psnr"] == "33.684"
    assert lines[0]["decoder_macs"] == ""
    assert int(lines[2]["decoder_macs"]) == 10_935_705_600
    assert lines[2]["total_macs"] == "1"


def test_the_terminal_shows_every_row() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table(joined(FOUND), "of two models").terminal())
    text = console.export_text()
    assert "of two models" in text
    assert text.count("Set5") == 3


def test_every_count_of_macs_names_its_form() -> None:
    assert all(
        "plain" in column.title or "as run" in column.title
        for name, column in METRICS.items()
        if name.startswith(("decoder_macs", "total_macs"))
    )


def test_a_metric_goes_by_its_own_name() -> None:
    assert all(name == column.name for name, column in METRICS.items())
