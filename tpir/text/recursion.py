"""Room for texts that nest deeply: functions that call themselves, and long sums."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_FRAMES = 9_000
"""Calls of Python: what a thousand terms or four hundred calls take, well within 8 MB of stack."""


@contextmanager
def room_to_nest() -> Iterator[None]:
    """Let Python's calls nest more deeply for a while; RecursionError still ends what is deeper.

    The limit is that of the whole process: it is put back, and never lowered meanwhile.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
