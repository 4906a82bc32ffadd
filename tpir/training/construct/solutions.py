"""Which tables count as solutions, and when to stop looking for a better one."""

from __future__ import annotations

from collections.abc import Callable

from tpir.training.construct.features import Feature

_PATIENCE, _LEAST = 4, 20_000
"""How long a better table is looked for: so many times as before, and at least so many features."""


class Solutions:
    """The tables that give every label, checked by ``verify`` on all data.

    ``verify`` says how many rows of a table rest on a single label that no other row suggests, None
    if the table does not give every label. By the estimate of Good and Turing (Good 1953), such
    rows are as many as labels to come that will be wrong. So ``exact`` is a table without any, of
    those the smallest; one with some is ``provisional``, and while a
    better one is looked for, ``budget`` (features tried) shrinks to ``_PATIENCE`` times what it
    took.
    """

    def __init__(self, verify: Callable[[tuple[Feature, ...]], int | None], budget: int) -> None:
        self._verify = verify
        self.budget = budget
        self._exact: tuple[int, tuple[Feature, ...]] | None = None
        self._provisional: tuple[int, tuple[Feature, ...]] | None = None

    @property
    def exact(self) -> tuple[Feature, ...] | None:
        """The smallest table without rows that rest on a single label; of equals the first."""
        return self._exact[1] if self._exact else None

    @property
    def provisional(self) -> tuple[Feature, ...] | None:
        """The table with the fewest rows that rest on a single label; of equals the first."""
        return self._provisional[1] if self._provisional else None

    def offer(self, features: tuple[Feature, ...], size: int, tried: int) -> None:
        """A table of ``size`` rows that is right on the sample, found when so many were tried."""
        if self._exact is not None and size >= self._exact[0]:
            return
        single = self._verify(features)
        if single is None:
            return
        if single == 0:
            self._exact = (size, features)
        elif self._provisional is None or single < self._provisional[0]:
            self._provisional = (single, features)
            self.budget = min(self.budget, _PATIENCE * tried + _LEAST)
