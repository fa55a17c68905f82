"""Tables on terminals of any width: numbers whole, titles broken between words only, nothing left out."""

import io
import os
import re

import pytest
from rich.console import Console

from lmf_sr.results.terminal import TerminalTable

HEADER = [
    "model", "set", "scale", "PSNR (dB)", "SSIM", "decoder MACs, plain form (G)", "MSE from the full rendering",
    "decoder MACs saved (%)", "decoder time saved (%)", "decoder parameters (k)",
]  # fmt: skip
ROW = [
    "edsr-baseline-lm-liif cmsr 2e-05",
    "DIV2K",
    "6",
    "26.71",
    "0.7421",
    "1,234.56",
    "2.0e-05",
    "41.5",
    "38.2",
    "165.7",
]
OTHER = [
    "edsr-baseline-lm-lte cmsr 2e-05",
    "DIV2K",
    "6",
    "26.75",
    "0.7431",
    "1,234.57",
    "1.9e-05",
    "41.4",
    "38.3",
    "165.8",
]


def drawn(table: TerminalTable, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    return text


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("body", [[ROW], [ROW, OTHER], [ROW] * 3 + [OTHER]])
def test_numbers_and_words_are_whole(width: int, body: list[list[str]]) -> None:
    text = drawn(TerminalTable(HEADER, body, 3, title="protocol div2k"), width)
    for row in body:
        assert all(cell in text for cell in row)
    words = set(re.findall(r"\S+", text))
    assert {word for title in HEADER[3:] for word in title.split()} <= words
    assert text.startswith("protocol div2k")


def test_where_there_is_room_it_is_one_table() -> None:
    assert drawn(TerminalTable(HEADER, [ROW, OTHER], 3), 200).count("model") == 1
    assert drawn(TerminalTable(HEADER, [ROW, OTHER], 3), 80).count("model") > 1


def test_a_mean_and_its_spread_stay_together() -> None:
    body = [["a" * 30, "30.27 ± 0.02", "31.00 ± 0.10"], ["b" * 30, "30.28 ± 0.02", "31.01 ± 0.10"]]
    assert "30.27±0.02" in drawn(TerminalTable(["model", "PSNR (dB)", "other PSNR (dB)"], body, 1), 45)


def test_labels_too_long_for_a_table_become_records() -> None:
    body = [[f"{'very-long-name-' * 6}{i}", f"30.2{i}", f"{i}"] for i in range(2)]
    text = drawn(TerminalTable(["model", "PSNR (dB)", "SSIM"], body, 1), 60)
    assert text.replace("\n", "").count("very-long-name-") == 12
    assert text.count("PSNR (dB)") == 2


def test_what_is_the_same_in_every_row_is_said_once() -> None:
    text = drawn(TerminalTable(["model", "scale", "x"], [["a", "2", "1"], ["a", "2", "3"]], 2), 80)
    assert text.count("model: a") == 1
    assert "scale" in text.splitlines()[1]


def test_brackets_and_bytes_are_shown_as_they_are() -> None:
    name = os.fsdecode(b"caf\xe9")
    table = TerminalTable(["model", "x"], [["[b]", "1"], [name, "2"]], labels=1, title="[i]", note="[u]")
    assert all(whole in drawn(table, 80) for whole in ("[b]", r"caf\xe9", "[i]", "[u]"))
