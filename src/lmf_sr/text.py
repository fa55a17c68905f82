"""Text that every file and terminal takes.

Names of files may hold bytes that are no UTF-8, and a terminal's encoding may lack characters.
"""

import codecs
import re

SPELT = {"±": "+/-", "×": "x", "−": "-", "–": "-", "…": "..."}
"""Spellings of our own characters for encodings that lack them."""


def printable(text: str) -> str:
    r"""The text with bytes that are no UTF-8, which Python keeps as lone surrogates, spelt out, as `caf\xe9.png`."""
    return re.sub("[\ud800-\udfff]", lambda match: _code(ord(match[0])), text)


def _code(point: int) -> str:
    return rf"\x{point - 0xDC00:02x}" if 0xDC80 <= point <= 0xDCFF else rf"\u{point:04x}"


def spell(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: what cannot be encoded is spelt in other characters, or as its code point."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = printable(error.object[error.start : error.end])
    return "".join(SPELT.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end


codecs.register_error("lmf_sr.spell", spell)


def make_tolerant(stream: object) -> None:
    """Makes a text stream spell what its encoding lacks, instead of failing; leaves other objects as they are."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="lmf_sr.spell")
