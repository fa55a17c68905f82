"""Runs parts of a benchmark, each a list of cases, within a time limit.

Every part runs in processes of its own, so that whatever goes wrong in it leaves the others standing: an exception, a GPU
that refuses everything after an illegal access, a crash, a kernel that never ends. A case that fails ends its process, and
the cases after it begin in a fresh one. A part has

    (time left) * (its share) / (shares of the parts left)

so that what one part does not use is there for the others. When its time is over, its processes are ended and the cases that
are left are named.
"""

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

Case = tuple[str | float, ...]
Row = dict[str, Any]
"""The row of a case: its measurements, and "wrong" with a sentence if it is not right. In place of all that, a case that
failed has "failure" with the error in a line and "trace" with all of it."""


@dataclass(frozen=True)
class Setup:
    """Where to measure, and how large.

    device: "cuda" or "cpu".
    small: whether to take sizes that a CPU, which interprets the GPU's kernels, does in seconds.
    """

    device: str = "cuda"
    small: bool = False


class Part(NamedTuple):
    """A part of a benchmark.

    name: what people call it.
    share: how much of the time it may take, in proportion to the other parts' shares.
    cases: lists what is to be measured, the most important first.
    measure: measures one case.
    processes: how many cases may be measured at once; 1 where times are taken.
    """

    name: str
    share: float
    cases: Callable[[Setup], list[Case]]
    measure: Callable[[Setup, Case], Row]
    processes: int = 1


def run(parts: Sequence[Part], setup: Setup, seconds: float, take: Callable[[Part, Case, Row], None]) -> list[Case]:
    """Measures all cases of all parts, as far as the time allows.

    Args:
        parts: in the order in which they run.
        setup: is handed to all of them.
        seconds: after which everything is ended.
        take: is told of each row as soon as it is there.

    Returns:
        The cases that were left out, each behind the name of its part.
    """
    end = time.monotonic() + seconds
    left_out: list[Case] = []
    context = multiprocessing.get_context(
        "forkserver"
    )  # its processes begin with all modules, and without a CUDA context
    context.set_forkserver_preload(sorted({part.measure.__module__ for part in parts}))
    _load_modules(context, seconds)
    for i, part in enumerate(parts):
        now = time.monotonic()
        deadline = now + (end - now) * part.share / sum(other.share for other in parts[i:])
        left_out += [(part.name, *case) for case in _run_part(context, part, setup, deadline, take)]
    return left_out


def _load_modules(context: Any, seconds: float) -> None:
    """Waits until processes begin with all modules, so that no part loses time to that."""
    first = context.Process(target=int)
    first.start()
    first.join(seconds)
    if first.is_alive():
        first.kill()


def label(case: Case) -> str:
    """A case in words."""
    return ", ".join(f"x{value:g}" if isinstance(value, float) else value for value in case)


def _run_part(
    context: Any, part: Part, setup: Setup, deadline: float, take: Callable[[Part, Case, Row], None]
) -> list[Case]:
    """Returns the cases that were left out."""
    cases = part.cases(setup)
    running: dict[Connection, _Process] = {}

    def begin(cases: list[Case]) -> None:
        if cases and time.monotonic() < deadline:
            process = _Process(context, part, setup, cases)
            running[process.connection] = process
        else:
            left_out.extend(cases)

    left_out: list[Case] = []
    try:
        for first in range(part.processes):
            begin(cases[first :: part.processes])
        while running:
            ready = wait(list(running), max(deadline - time.monotonic(), 0))
            if not ready:
                break
            for connection in ready:
                assert isinstance(connection, Connection)
                process = running[connection]
                row = process.next_row()
                if row is not None:
                    take(part, process.cases.pop(0), row)
                if row is None or "failure" in row:
                    process.end()
                    del running[connection]
                    begin(process.cases)
    finally:
        for process in running.values():
            process.end()
            left_out += process.cases
    return sorted(left_out, key=cases.index)


class _Process:
    """A process that measures cases, one after the other.

    cases: those whose rows have not come yet.
    """

    def __init__(self, context: Any, part: Part, setup: Setup, cases: list[Case]) -> None:
        self.cases = cases
        self.connection, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_measure, args=(part.measure, setup, cases, theirs))
        self.process.start()
        theirs.close()

    def next_row(self) -> Row | None:
        """The row of the first case, once there is something to read; None where all are done."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            if not self.cases:
                return None
            self.process.join()
            status = self.process.exitcode
            how = f"by signal {-status}" if status and status < 0 else f"with status {status}"
            return {"failure": f"its process ended {how}", "trace": ""}

    def end(self) -> None:
        """Ends it and what it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.connection.close()


def _measure(
    measure: Callable[[Setup, Case], Row], setup: Setup, cases: Sequence[Case], connection: Connection
) -> None:
    """The work of a process."""
    os.setpgid(0, 0)
    for case in cases:
        try:
            row = measure(setup, case)
        except Exception as error:
            line = f"{type(error).__name__}: {error}".splitlines()[0]
            connection.send({"failure": line, "trace": traceback.format_exc()})
            return  # an error may leave the GPU's context unusable
        connection.send(row)
