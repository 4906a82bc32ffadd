"""How a batch marks the inputs on which a program fails."""

from __future__ import annotations

from tpir.ir.expressions import DIVISION_BY_ZERO, MEAN_OF_WORDS, MIXED_TYPES, NOT_A_NUMBER

FAILURES = (DIVISION_BY_ZERO, MIXED_TYPES, MEAN_OF_WORDS, NOT_A_NUMBER)
"""The kinds of failure; a batch marks them by 1 + index, 0 for none."""


def failure_code(kind: str) -> int:
    """The mark of a kind of failure."""
    return 1 + FAILURES.index(kind)
