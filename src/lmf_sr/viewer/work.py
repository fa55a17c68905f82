"""One thread computes what pages ask for, the latest wish first.

A wish replaces the one with the same name that still waits: of ten views asked for while one zooms, only the last is made.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple


class ReplacedError(Exception):
    """A later wish of the same name has taken the place of this one."""


class _Wish(NamedTuple):
    name: str
    compute: Callable[[], Any]
    future: Future[Any]


class Worker:
    """Computes one thing at a time, in a thread of its own."""

    def __init__(self) -> None:
        self._waiting: list[_Wish] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="viewer", daemon=True)
        self._thread.start()

    def ask(self, name: str, compute: Callable[[], Any]) -> Future[Any]:
        """The future of `compute()`. It holds `ReplacedError` where another wish of that name comes before its turn."""
        wish = _Wish(name, compute, Future())
        with self._changed:
            replaced = [other for other in self._waiting if other.name == name]
            self._waiting = [other for other in self._waiting if other.name != name and not other.future.cancelled()]
            self._waiting.append(wish)
            self._changed.notify()
        for other in replaced:
            if other.future.set_running_or_notify_cancel():
                other.future.set_exception(ReplacedError())
        return wish.future

    @property
    def waits(self) -> int:
        """How many wishes wait for their turn."""
        return len(self._waiting)

    def close(self) -> None:
        """Ends the thread once it has finished what it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                wish = self._waiting.pop()
            if not wish.future.set_running_or_notify_cancel():
                continue
            try:
                wish.future.set_result(wish.compute())
            except BaseException as error:  # whatever it is, it is for whoever asked
                wish.future.set_exception(error)
            del wish  # a result is not kept until the next wish
