"""A single thread computes what pages request, the latest job first.

A job replaces a waiting one of the same name: of ten views requested while one zooms, only the last is computed.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple


class ReplacedError(Exception):
    """A later job of the same name has replaced this one."""


class _Job(NamedTuple):
    name: str
    compute: Callable[[], Any]
    future: Future[Any]


class Worker:
    """Computes one job at a time, in a thread of its own."""

    def __init__(self) -> None:
        self._waiting: list[_Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="viewer", daemon=True)
        self._thread.start()

    def submit(self, name: str, compute: Callable[[], Any]) -> Future[Any]:
        """The future of `compute()`. It raises `ReplacedError` where another job of that name comes before its turn."""
        job = _Job(name, compute, Future())
        with self._changed:
            replaced = [other for other in self._waiting if other.name == name]
            self._waiting = [other for other in self._waiting if other.name != name and not other.future.cancelled()]
            self._waiting.append(job)
            self._changed.notify()
        for other in replaced:
            if other.future.set_running_or_notify_cancel():
                other.future.set_exception(ReplacedError())
        return job.future

    @property
    def waits(self) -> int:
        """How many jobs wait for their turn."""
        return len(self._waiting)

    def close(self) -> None:
        """Ends the thread after the job in progress."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._waiting.pop()
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                job.future.set_result(job.compute())
            except BaseException as error:  # any error belongs to the request that submitted the job
                job.future.set_exception(error)
            del job  # frees its result before the next job comes
