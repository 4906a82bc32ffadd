"""Learned weights as text: the shortest decimals that read back to the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.text.layout import listed

_MOST_WHOLE = 2**53
"""Larger whole numbers are written with an exponent."""


@dataclass(frozen=True)
class Numbers:
    """How the weights of one node are written.

    ``float32``: every one of them is a float32, so decimals need only tell float32 numbers apart.
    ``whole``: every one of them is a whole number, and is written without a point.
    """

    float32: bool
    whole: bool = False

    @classmethod
    def of(cls, weights: Iterable[float]) -> Numbers:
        """The way to write these weights."""
        numbers = np.array(list(weights), dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise TpirError("weights that are not finite numbers cannot be printed")
        if _all_whole(numbers):
            return cls(float32=False, whole=True)
        with np.errstate(over="ignore"):
            return cls(bool((numbers.astype(np.float32) == numbers).all()))

    @property
    def marker(self) -> str:
        """The word after the name of a table or ``classify``."""
        return " float32" if self.float32 else ""

    def show(self, weight: float) -> str:
        """A weight as text."""
        number = float(weight)
        if self.whole:
            return str(int(number))
        if not self.float32:
            return repr(number)
        short = str(np.float32(number))
        # A decimal is read as a float64 and then rounded: almost never, that is not what it was.
        return short if float(np.float32(float(short))) == number else repr(number)

    def row(self, weights: Sequence[float]) -> list[str]:
        """``[a, b]`` as pieces; ``0`` where all weights are zero, and none the negative zero."""
        texts = [self.show(w) for w in weights]
        return ["0"] if set(texts) == {self.show(0.0)} else listed(texts, "[", "]")


def _all_whole(numbers: NDArray[np.float64]) -> bool:
    """Whether all numbers can be written as whole ones: not so the zero that is negative."""
    whole = (np.rint(numbers) == numbers) & (np.abs(numbers) < _MOST_WHOLE)
    return bool((whole & ~((numbers == 0) & np.signbit(numbers))).all())
