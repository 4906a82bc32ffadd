"""Which tables count as solutions, and when to stop looking for a better one."""

from __future__ import annotations

from collections.abc import Callable

from tpir.training.construct.features import Feature

_PATIENCE, _LEAST = 4, 20_000
"""How long a better table is looked for: so many times as before, and at least so many features."""


class Solutions:
    """The tables that give every label, checked by ``verify`` on all data.

    ``verify`` says how many rows of a table rest on a single label, None if the table does not give
    every label. By the estimate of Good and Turing (Good 1953), such rows are as many as labels to
    come that have no row. So ``exact`` is a table without any; one with some is ``provisional``,
    and while a better one is looked for, ``budget`` (features tried) shrinks to ``_PATIENCE`` times
    what it took.
    """

    def __init__(self, verify: Callable[[tuple[Feature, ...]], int | None], budget: int) -> None:
        self._verify = verify
        self.budget = budget
        self.exact: tuple[Feature, ...] | None = None
        self._provisional: tuple[int, tuple[Feature, ...]] | None = None

    @property
    def provisional(self) -> tuple[Feature, ...] | None:
        """The table with the fewest rows that rest on a single label; of equals the first."""
        return self._provisional[1] if self._provisional else None

    def offer(self, features: tuple[Feature, ...], tried: int) -> None:
        """A table that is right on the sample, found when so many features were tried."""
        single = self._verify(features)
        if single is None:
            return
        if single == 0:
            self.exact = features
        elif self._provisional is None or single < self._provisional[0]:
            self._provisional = (single, features)
            self.budget = min(self.budget, _PATIENCE * tried + _LEAST)
