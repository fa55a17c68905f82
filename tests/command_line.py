"""The result of a run of the command line."""

from collections.abc import Callable
from typing import NamedTuple


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one sentence of an error; fails where there is a traceback, or none or several."""
        assert "Traceback" not in self.err
        (line,) = (line for line in self.err.splitlines() if line.startswith("lmf-sr: error: "))
        return line


Run = Callable[..., Outcome]
