"""Learned weights as text: the shortest decimals that read back to the same numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tpir.errors import TpirError


@dataclass(frozen=True)
class Numbers:
    """How the weights of one node are written.

    ``float32``: every one of them is a float32, so decimals need only tell float32 numbers apart.
    """

    float32: bool

    @classmethod
    def of(cls, weights: Iterable[float]) -> Numbers:
        """The way to write these weights."""
        numbers = np.array(list(weights), dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise TpirError("weights that are not finite numbers cannot be printed")
        with np.errstate(over="ignore"):
            return cls(bool((numbers.astype(np.float32) == numbers).all()))

    @property
    def marker(self) -> str:
        """The word after the name of a table or ``classify``."""
        return " float32" if self.float32 else ""

    def show(self, weight: float) -> str:
        """A weight as text."""
        number = float(weight)
        if not self.float32:
            return repr(number)
        short = str(np.float32(number))
        # A decimal is read as a float64 and then rounded: almost never, that is not what it was.
        return short if float(np.float32(float(short))) == number else repr(number)
