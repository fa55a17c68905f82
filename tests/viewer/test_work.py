"""The worker computes the latest job first, and the last alone of jobs with one name."""

import threading

import pytest

from lmf_sr.viewer.work import ReplacedError, Worker


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def worker(gate: threading.Event) -> Worker:
    """A worker that is busy until the gate opens."""
    worker, busy = Worker(), threading.Event()
    worker.submit("first", lambda: (busy.set(), gate.wait(10)))
    assert busy.wait(10)
    return worker


def test_of_ten_jobs_with_one_name_only_the_last_is_computed(worker: Worker, gate: threading.Event) -> None:
    computed: list[int] = []
    futures = [worker.submit("view", lambda n=n: computed.append(n) or n) for n in range(10)]
    gate.set()
    assert futures[-1].result(10) == 9
    assert computed == [9]
    for future in futures[:-1]:
        with pytest.raises(ReplacedError):
            future.result(10)


def test_the_latest_job_comes_first(worker: Worker, gate: threading.Event) -> None:
    computed: list[str] = []
    futures = [worker.submit(name, lambda name=name: computed.append(name)) for name in "abc"]
    gate.set()
    for future in futures:
        future.result(10)
    assert computed == ["c", "b", "a"]


def test_a_cancelled_job_is_not_computed(worker: Worker, gate: threading.Event) -> None:
    computed: list[str] = []
    cancelled = worker.submit("a", lambda: computed.append("a"))
    assert cancelled.cancel()
    gate.set()
    worker.submit("b", lambda: computed.append("b")).result(10)
    assert computed == ["b"]


def test_an_error_is_in_the_future_and_the_thread_goes_on(worker: Worker, gate: threading.Event) -> None:
    gate.set()
    with pytest.raises(ZeroDivisionError):
        worker.submit("a", lambda: 1 / 0).result(10)
    assert worker.submit("a", lambda: 1).result(10) == 1
