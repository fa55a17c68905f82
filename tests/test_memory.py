"""Memory that a tensor freed serves the next one: the system is not asked for it again."""

import os
import platform
import subprocess
import sys

import pytest

TENSORS = """
import resource, lmf_sr, torch
faults = []
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16, 1024, 1024)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(*faults)
"""
PAGES = 16 * 2**20 * 4 // os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def page_faults(**environment: str) -> list[int]:
    """Of each of some large tensors, made and freed one after the other."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", TENSORS], env=inherited | environment, capture_output=True, text=True, check=True
    )
    return [int(count) for count in done.stdout.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="SKIPPED FOR LACK OF GLIBC, whose malloc this is about")
def test_freed_memory_is_used_again() -> None:
    assert max(page_faults()[2:]) < PAGES / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="SKIPPED FOR LACK OF GLIBC, whose malloc this is about")
def test_what_the_user_tells_malloc_holds() -> None:
    assert min(page_faults(MALLOC_MMAP_THRESHOLD_="131072")[2:]) > PAGES / 10
