"""T1 to T5: what stands in which cell, and what is said of cells that are empty."""

import csv
import io

import pytest
from study_of import ENVIRONMENT, costs, of_model, records, training

from lmf_sr.reporting import formats
from lmf_sr.reporting.paper_tables import Cell, PaperTable, all_tables
from lmf_sr.reporting.study import Study
from lmf_sr.results.records import Record
from lmf_sr.results.statistics import Spread
from lmf_sr.results.table import Table

T1, T2, T3, T4, T5 = TABLES = all_tables(Study(records()))


def block(table: PaperTable, title: str) -> Table:
    (found,) = (block for block in table.blocks if title in block.title)
    return found


def cell(table: PaperTable, title: str, row: str, heading: str) -> Cell:
    found = block(table, title)
    (cells,) = (line for line in found.rows if line[0] == row)
    return cells[[column.title for column in found.columns].index(heading)]


def test_quality_is_mean_and_spread_beside_the_published_figure() -> None:
    found = cell(T1, "DIV2K", "liif", "×2")
    assert found.measured == pytest.approx(Spread(34.6, 0.1414, 2), abs=1e-4)
    assert found.published is not None
    assert found.published.value == 34.6647
    assert found.difference == pytest.approx(-0.0647)
    assert cell(T1, "DIV2K", "lm-liif", "×2").published is None


def test_a_published_figure_stands_where_nothing_was_measured() -> None:
    found = cell(T1, "DIV2K", "liif", "×30")
    assert found.measured is None
    assert found.difference is None
    assert found.published is not None


def test_every_block_says_what_is_missing() -> None:
    assert block(T1, "DIV2K").note == (
        "Not measured: bicubic at ×3, ×6, ×12, ×18, ×24, ×30; liif, lm-liif at ×3, ×12, ×18, ×24, ×30."
    )
    assert block(T2, "Urban100: luma PSNR").note == "Nothing has been measured."
    assert block(T3, "Parameters").note == ""


def test_benchmarks_keep_colours_apart() -> None:
    assert cell(T2, "Set5: luma PSNR", "bicubic", "×2").difference == pytest.approx(0.02)
    assert cell(T2, "Set5: luma PSNR", "liif", "×2") == Cell(None, None)
    assert cell(T2, "Set5: RGB PSNR", "liif", "×2").difference == pytest.approx(35.5 - 35.7131)
    assert {b.title.partition(":")[0] for b in T2.blocks} == {"Set5", "Set14", "B100", "Urban100"}


def test_costs_of_the_published_size_stand_beside_published_ones() -> None:
    for model in ("liif", "lm-liif"):
        assert cell(T3, "Parameters", model, "decoder parameters (k)").difference == 0
        assert cell(T3, "plain form", model, "×4").difference == pytest.approx(0)
    assert cell(T3, "decoder, as run (ms)", "lm-liif", "×4").measured == Spread(16.0, 0.0, 2)
    assert "Abacus, 2 threads" in block(T3, "decoder, as run (ms)").title


def test_the_most_that_a_conversion_saves_beside_the_claim() -> None:
    saved = cell(T3, "The most", "lm-liif", "decoder MACs, fewer by (%)")
    assert saved.measured is not None
    assert saved.measured.mean == pytest.approx(1 - 15.49 / 1274.96)
    assert saved.published is not None
    assert saved.published.value == 0.999
    assert cell(T3, "The most", "lm-liif", "decoder, times faster").measured == Spread(25.0, 0.0, 1)


def test_times_of_two_machines_are_not_compared() -> None:
    slow, quick = (training(decoder, 0) for decoder in ("liif", "lm-liif"))
    other = ENVIRONMENT | {"hardware": {**ENVIRONMENT["hardware"], "processor": "Slide rule"}}
    there = of_model("profile", slow, costs({2.0: 300e9}, 346_883, 100.0), lr_size=[180, 320])
    here = of_model("profile", quick, costs({2.0: 10e9}, 165_651, 1.0), lr_size=[180, 320])
    *_, table = all_tables(Study([slow, quick, there, Record(**{**vars(here), "environment": other})]))[:3]
    assert cell(table, "The most", "lm-liif", "decoder, times faster").measured is None
    assert cell(table, "The most", "lm-liif", "decoder MACs, fewer by (%)").measured is not None


def test_cmsr_by_threshold_beside_the_full_rendering() -> None:
    assert cell(T4, "PSNR", "in full", "×6").measured == Spread(26.5, 0.0, 2)
    assert cell(T4, "PSNR", "2e-05", "×6").measured == Spread(26.4, 0.0, 2)
    assert cell(T4, "MACs saved (%)", "1e-06", "×6").measured == Spread(0.4, 0.0, 2)
    assert [row[0] for row in block(T4, "time saved").rows] == ["1e-06", "2e-05"]


def test_ablations_stand_beside_the_model_that_they_vary() -> None:
    assert [row[0] for row in block(T5, "PSNR").rows] == ["as in the paper", "width=8"]
    assert cell(T5, "PSNR", "width=8", "×4").measured == Spread(28.5, 0.0, 1)
    assert "lm-liif width=8" not in {row[0] for b in T1.blocks for row in b.rows}


def test_without_any_record_there_are_still_all_tables() -> None:
    assert [table.name for table in all_tables(Study([]))] == ["T1", "T2", "T3", "T4", "T5"]
    assert all(block.note == "Nothing has been measured." for t in all_tables(Study([])) for block in t.blocks)


def test_markdown_shows_spread_figure_and_difference() -> None:
    text = formats.markdown(T1)
    (line,) = (line for line in text.splitlines() if line.startswith("| liif"))
    assert [cell.strip() for cell in line.split("|")[2:5]] == [
        "34.60 ± 0.14 (34.66, −0.06)",
        "(30.98)",
        "29.00 (29.02, −0.02)",
    ]
    assert "MMagic model zoo" in text


def test_latex_is_of_whole_tables_without_a_bare_special_character() -> None:
    text = formats.latex(T4)
    assert text.count(r"\begin{tabular}{lrrrr}") == text.count(r"\end{tabular}") == len(T4.blocks)
    assert r"34.60 $\pm$ 0.14 (34.66, $-$0.06)" in formats.latex(T1)
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert not any(bare in line.replace(rf"\{bare}", "") for line in body for bare in "%_#")


def test_csv_has_a_line_for_each_cell_in_base_units() -> None:
    lines = list(csv.DictReader(io.StringIO(formats.csv_text(T3))))
    assert len(lines) == sum(len(row) - 1 for b in T3.blocks for row in b.rows)
    macs = next(line for line in lines if line["metric"] == "decoder_macs" and line["row"] == "lm-liif")
    assert float(macs["mean"]) == 10.94e9
    assert (macs["scale"], macs["seeds"], macs["source"]) == ("2.0", "2", "layers")
