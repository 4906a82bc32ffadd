"""How a batch marks the inputs on which a program fails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import (
    DIVISION_BY_ZERO,
    MEAN_OF_WORDS,
    MIXED_TYPES,
    NO_ENTRY,
    NO_NUMBER,
    NOT_A_NUMBER,
    WORD_TOO_LONG,
)

FAILURES = (
    DIVISION_BY_ZERO,
    MIXED_TYPES,
    MEAN_OF_WORDS,
    NOT_A_NUMBER,
    NO_NUMBER,
    NO_ENTRY,
    WORD_TOO_LONG,
)
"""The kinds of failure; a batch marks them by 1 + index, 0 for none."""


Codes = NDArray[np.uint8]
"""Failures of one node for a batch, by position: shape (position, batch), 0 where it is well."""


def failure_code(kind: str) -> int:
    """The mark of a kind of failure."""
    return 1 + FAILURES.index(kind)


def marked(fails: NDArray[np.bool_], kind: str) -> Codes:
    """The same kind of failure wherever something fails."""
    codes: Codes = fails * np.uint8(failure_code(kind))
    return codes


def by_input(codes: Codes) -> NDArray[np.uint8]:
    """For each input the failure at the first position that fails: shape (batch,)."""
    first = (codes != 0).argmax(axis=0)[None]
    kinds: NDArray[np.uint8] = np.take_along_axis(codes, first, axis=0)[0]
    return kinds
