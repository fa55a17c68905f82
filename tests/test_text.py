"""Names that are no UTF-8, and terminals that lack characters."""

import io
import os

import pytest

from lmf_sr.text import make_tolerant, printable

NAME = os.fsdecode(b"caf\xe9")


def test_bytes_that_are_no_text_are_spelt_out() -> None:
    assert printable(NAME) == r"caf\xe9"
    assert printable("漢字 ± é") == "漢字 ± é"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", r"30 +/- 2 x4 caf\xe9 \u6f22"),
        ("latin-1", r"30 ± 2 ×4 caf\xe9 \u6f22"),
        ("utf-8", r"30 ± 2 ×4 caf\xe9 漢"),
    ],
)
def test_a_terminal_of_any_encoding(encoding: str, expected: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    make_tolerant(stream)
    print(f"30 ± 2 ×4 {NAME} 漢", file=stream, flush=True)
    assert raw.getvalue().decode(encoding).rstrip() == expected
