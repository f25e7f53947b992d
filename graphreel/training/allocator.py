"""glibc's allocator: a setting that saves page faults on large tensors, and giving freed memory back."""

import ctypes
import gc
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h


def tune_allocator() -> bool:
    """Keep freed memory in the process instead of returning it to the kernel.

    By default glibc maps every buffer over 32 MiB afresh, and each new page costs a fault: a 42 MB tensor takes 17.8 ms
    to allocate and touch, 1.2 ms when its memory is reused. After this call large buffers come from the heap and stay.
    The price is that the process keeps its peak memory until it ends.

    Returns:
        True where glibc took the setting, False on any other C library (nothing is changed there).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    one_gib, largest_int = 1 << 30, (1 << 31) - 1
    return all(
        mallopt(option, value) == 1
        for option, value in (
            (_M_MMAP_THRESHOLD, one_gib),
            (_M_TRIM_THRESHOLD, largest_int),
            (_M_TOP_PAD, 64 << 20),
        )
    )


def give_memory_back() -> None:
    """Return freed memory to the system, where the C library can (glibc), so that what is resident is what is held."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return
