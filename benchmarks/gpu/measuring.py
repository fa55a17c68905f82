"""Times, memory and ceilings of a device.

On a GPU a time is the median between CUDA events, from a cold cache. It is the GPU's own, because the GPU is kept busy
until Python has queued the whole run. On a CPU, where all of this is only tried out, it is that of a clock.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import ceil
from typing import Any

import torch

from benchmarks.gpu.running import Case, Row, Setup

REPEATS, BUDGET_S = 30, 1.0
WARMUP = 3
CLEARED = 2**28  # bytes, several times the largest cache of a GPU
MOST_QUEUEING_MS = 50.0  # of a run whose queueing takes longer, or that waits for the GPU, the time has Python in it
RATES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def milliseconds(run: Callable[[], Any], setup: Setup, repeats: int = REPEATS) -> float:
    """The median time of a run on the device."""
    if setup.small:
        repeats = 1
    if setup.device != "cuda":
        return wall_milliseconds(run, setup, repeats)
    cleared = torch.zeros(CLEARED, dtype=torch.uint8, device="cuda")
    clear_ms = _between_events(cleared.zero_, 0, cleared)
    times: list[float] = []
    queueing_ms = 0.0
    deadline = time.perf_counter() + BUDGET_S
    for i in range(WARMUP + repeats):
        begin = time.perf_counter()
        run()
        queueing_ms = max(queueing_ms, 1e3 * (time.perf_counter() - begin)) if i else 0.0
        torch.cuda.synchronize()
        if i >= WARMUP:
            # Clearing empties the cache.
            clears = 1 + ceil(min(2 * queueing_ms, MOST_QUEUEING_MS) / clear_ms)
            times.append(_between_events(run, clears, cleared))
        if times and time.perf_counter() > deadline:
            break
    return statistics.median(times)


def _between_events(run: Callable[[], Any], clears: int, cleared: torch.Tensor) -> float:
    """Milliseconds of a run that waits on the GPU behind as many clearings."""
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    for _ in range(clears):
        cleared.zero_()
    start.record()
    run()
    stop.record()
    torch.cuda.synchronize()
    return start.elapsed_time(stop)


def wall_milliseconds(run: Callable[[], Any], setup: Setup, repeats: int = REPEATS) -> float:
    """The median time from a call to its result, Python included."""
    times: list[float] = []
    deadline = time.perf_counter() + BUDGET_S
    warmup = 0 if setup.small else WARMUP
    for i in range(warmup + (1 if setup.small else repeats)):
        synchronize(setup)
        start = time.perf_counter()
        run()
        synchronize(setup)
        if i >= warmup:
            times.append(1e3 * (time.perf_counter() - start))
        if times and time.perf_counter() > deadline:
            break
    return statistics.median(times)


def synchronize(setup: Setup) -> None:
    """Waits for the device."""
    if setup.device == "cuda":
        torch.cuda.synchronize()


def peak_bytes(run: Callable[[], Any], setup: Setup) -> int | None:
    """The most that a run holds beyond what there was before; None on a CPU, whose allocations nothing counts."""
    if setup.device != "cuda":
        run()
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether products of float32 may be taken in TF32, for a while."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def ceilings(setup: Setup) -> list[Case]:
    return [("copy",), *((name,) for name in RATES)]


def measure_ceiling(setup: Setup, case: Case) -> Row:
    """Bytes per second of a large copy, or FLOPs per second of a large matrix product of a precision."""
    (name,) = case
    assert isinstance(name, str)
    if name == "copy":
        source = torch.zeros(2**20 if setup.small else 2**30, dtype=torch.uint8, device=setup.device)
        target = torch.empty_like(source)
        return {"rate": 2 * source.nbytes / (milliseconds(lambda: target.copy_(source), setup) / 1e3)}
    n = 64 if setup.small else 8192
    a, b = (torch.randn(n, n, device=setup.device).to(RATES[name]) for _ in range(2))
    with tf32(name == "tf32"):
        return {"rate": 2 * n**3 / (milliseconds(partial(torch.matmul, a, b), setup, repeats=10) / 1e3)}
