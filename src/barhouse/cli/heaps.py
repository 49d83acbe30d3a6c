"""How many heaps the C library keeps for the threads of this process."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_ARENA_MAX, MOST = -8, 2
"""How glibc's mallopt(3) calls the number of its heaps, and how many all threads share."""


def few_heaps() -> None:
    """Let threads have no heaps of their own, where what they freed would stay: a third of what a busy server held.

    It holds if it is said before there are many. C libraries other than glibc have no such heaps.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, MOST)
