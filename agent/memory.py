"""
Keeps a cell small over thousands of calls.

A finished call is a web of objects that refer to each other: only the cyclic collector frees it,
which a quiet process rarely runs. glibc keeps an arena for each thread and gives little back.
Measured after 12 short calls in one cell: 101 MB without this, 88 MB with it. What the media engine
itself keeps of each call is another matter: `agent_calls_per_renewal`.
"""

import ctypes
import gc
import sys

ARENAS_MAX = 2  # the default is eight a core; our threads hardly allocate at the same time
_M_ARENA_MAX = -8
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def limit_arenas() -> None:
    """Call before the first thread starts."""
    if _LIBC and hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_M_ARENA_MAX, ARENAS_MAX)


def release_memory() -> None:
    """Free what finished calls left. About 10 ms, so between calls rather than in one."""
    gc.collect()
    if _LIBC and hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
