import platform
import subprocess
import sys

import pytest

PAGES = """
import resource, sys, torch
from lmf_sr.glibc import keep_freed

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if "kept" in sys.argv:
    keep_freed()
print([pages() for step in range(20)][-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_what_is_freed_is_not_cleared_anew() -> None:
    """64 MB are 15 625 pages of 4 kB. The first few times they are cleared all the same: malloc settles where they lie."""

    def pages(*arguments: str) -> int:
        command = [sys.executable, "-c", PAGES, *arguments]
        return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    assert pages("kept") < 10 < pages()
