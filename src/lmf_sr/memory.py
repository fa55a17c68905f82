"""Freed memory is kept for the next tensor, as PyTorch itself keeps a GPU's.

glibc gives a large block back to the system when it is freed, and the system clears the next page by page, when it is first
written. Encoders, renderers and training steps make and free large tensors again and again: on a CPU, for a picture of
512 x 512, that took 2/5 of EDSR-baseline's time and 1/4 of a rendering's at x8. The process stays as large as it once was.
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


def keep_freed_memory() -> None:
    """Has no effect on other systems than Linux with glibc, nor where the environment already tells malloc what to do."""
    if not sys.platform.startswith("linux") or any(
        name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ
    ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)  # no block of its own for a large tensor
        mallopt(M_TRIM_THRESHOLD, -1)  # the heap never shrinks
