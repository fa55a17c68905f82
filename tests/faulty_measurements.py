"""Parts of a benchmark that go wrong in every way. (A module of its own, for the processes that run them.)"""

import os
import signal
import time

from benchmarks.gpu.running import Case, Part, Row, Setup


def measure(setup: Setup, case: Case) -> Row:
    (what,) = case
    if what == "wrong pixel":
        return {"size": [1, 1], "error": 2.0, "bound": 1.0, "wrong": "off by 2"}
    if what == "error":
        raise ValueError("not today\nnor tomorrow")
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit":
        os._exit(3)
    if what == "no end":
        time.sleep(600)
    return {"value": 1, "process": os.getpid()}


def part(name: str, *cases: str, share: float = 1, processes: int = 1) -> Part:
    return Part(name, share, _Cases(cases), measure, processes)


class _Cases:
    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def __call__(self, setup: Setup) -> list[Case]:
        return [(name,) for name in self.names]
