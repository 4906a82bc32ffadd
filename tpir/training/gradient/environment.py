"""How the process is set up while many seeds train."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tpir.training.steps import training_environment

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, from <malloc.h>
_LARGEST_KEPT, _KEPT = 1 << 25, (1 << 31) - 1


@contextmanager
def gradient_environment() -> Iterator[int]:
    """One thread, denormals flushed, the caller's random numbers left alone, freed memory kept.

    A step frees and takes the same arrays as the one before. Given back to the system in between,
    every page of them is cleared again on its first use, which costs more than the arithmetic.

    Gives how many threads torch had before, for work that comes to the same on any number.
    """
    _keep_freed_memory()
    threads = torch.get_num_threads()
    with training_environment():
        yield threads


def _keep_freed_memory() -> None:
    """Tell the C library, where it is glibc, to keep what is freed for the rest of the process."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    mallopt(_TRIM_THRESHOLD, _KEPT)
