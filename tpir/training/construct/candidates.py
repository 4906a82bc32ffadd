"""Features that could be made and are not evaluated yet, the shortest first."""

from __future__ import annotations

import heapq

from tpir.training.construct.features import Feature
from tpir.training.construct.grammar import Candidate, Grammar
from tpir.training.construct.parts import Known
from tpir.training.construct.pool import Pool

_NEAR, _STRIDE = 3.0, 0.5
"""Candidates are made up to so many bits at first; then the horizon moves on by so many."""


class Candidates:
    """What the grammar makes of the features it knows, up to a horizon of description length.

    There is far more beyond it than is ever evaluated, so it is made only when the horizon gets
    there. What is too deep for the layers is left out.
    """

    def __init__(self, grammar: Grammar, pool: Pool) -> None:
        self._grammar, self._pool = grammar, pool
        self._heap: list[tuple[float, int, Feature]] = []
        self._beyond: list[tuple[float, int, Feature]] = []
        self._horizon = _NEAR
        self._unfinished: list[tuple[Known, float]] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, candidate: Candidate) -> None:
        """Let one wait, if there are layers enough for it; beyond the horizon, until it moves."""
        if self._pool.fits(candidate.feature):
            self._added += 1
            heap = self._heap if candidate.bits <= self._horizon else self._beyond
            heapq.heappush(heap, (candidate.bits, self._added, candidate.feature))

    def shortest(self) -> Candidate:
        """Take the shortest of those that wait, of equals the one made first."""
        bits, _, feature = heapq.heappop(self._heap)
        return Candidate(bits, feature)

    def make_with(self, new: Known) -> None:
        """Add what can be made of a feature that the grammar just learnt."""
        self._make(new, -1.0)

    def look_further(self) -> None:
        """Move the horizon on."""
        self._horizon += _STRIDE
        while self._beyond and self._beyond[0][0] <= self._horizon:
            heapq.heappush(self._heap, heapq.heappop(self._beyond))
        unfinished, self._unfinished = self._unfinished, []
        for new, low in unfinished:
            self._make(new, low)

    def _make(self, new: Known, low: float) -> None:
        """Add what is longer than ``low`` and within the horizon; there is more beyond."""
        for candidate in self._grammar.made_with(new, low, self._horizon):
            self.add(candidate)
        self._unfinished.append((new, self._horizon))
