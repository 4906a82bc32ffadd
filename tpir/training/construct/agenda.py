"""The order in which features are taken: in turn by description length and by what they tell."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from tpir.training.construct.batch import Batch
from tpir.training.construct.features import Feature
from tpir.training.construct.goals import Goal

_TURN = 3
"""Of so many features, one is taken for what it tells, the others for being short."""

_BITS_PER_GAIN = 0.02
"""How much more of a goal a feature has to tell to make up for being a bit longer."""


class Agenda:
    """Evaluated features that wait to be taken: by length, and for each goal by what they tell."""

    def __init__(self, batch: Batch, goals: Sequence[Goal]) -> None:
        self._by_length: list[tuple[float, int, Feature]] = []
        self._by_gain = [_Telling(batch, goal) for goal in goals]
        self._taken: set[Feature] = set()
        self._turns = self._added = 0

    def add(self, feature: Feature, bits: float, gains: Sequence[float]) -> None:
        """Let a feature of this description length wait, that has these gains by itself."""
        self._added += 1
        heapq.heappush(self._by_length, (bits, self._added, feature))
        for waiting, gain in zip(self._by_gain, gains, strict=True):
            waiting.add(self._added, feature, bits, gain)

    def drop(self, feature: Feature) -> None:
        """Let a feature wait no longer."""
        self._taken.add(feature)

    def take(self) -> Feature | None:
        """The next feature; None if none waits."""
        turn, first = divmod(self._turns, _TURN)
        self._turns += 1
        telling = self._by_gain[turn % len(self._by_gain)]
        if first == 0:
            feature = telling.take(self._taken) or self._shortest()
        else:
            feature = self._shortest() or telling.take(self._taken)
        if feature is not None:
            self._taken.add(feature)
        return feature

    def _shortest(self) -> Feature | None:
        while self._by_length:
            feature = heapq.heappop(self._by_length)[2]
            if feature not in self._taken:
                return feature
        return None


class _Telling:
    """Features by what they tell of one goal.

    That is the share of the goal's entropy that a feature takes away, and beside each feature that
    is taken for that while it waits: the least counts, so that nothing is taken for what another
    told before (conditional mutual information maximisation, Fleuret 2004).
    """

    def __init__(self, batch: Batch, goal: Goal) -> None:
        self._batch, self._goal = batch, goal
        self._waiting: list[tuple[float, int, Feature, float, float, int]] = []
        self._told: list[Feature] = []

    def add(self, serial: int, feature: Feature, bits: float, gain: float) -> None:
        """Let a feature wait, before those of higher ``serial`` that tell as much."""
        self._rank(serial, feature, bits, gain)

    def take(self, taken: AbstractSet[Feature]) -> Feature | None:
        """What tells most of those not ``taken``; None if none is left.

        Gains only fall as more is taken, so an old one that is still the best needs no more.
        """
        while self._waiting:
            _, serial, feature, bits, gain, seen = heapq.heappop(self._waiting)
            if feature in taken:
                continue
            if seen == len(self._told):
                self._told.append(feature)
                return feature
            values = self._batch.compute(feature)
            for known in self._told[seen:]:
                gain = min(gain, self._goal.gain_beside(known, values))
            self._rank(serial, feature, bits, gain)
        return None

    def _rank(self, serial: int, feature: Feature, bits: float, gain: float) -> None:
        """Note a gain that holds beside all that were taken for theirs so far."""
        entry = (_BITS_PER_GAIN * bits - gain, serial, feature, bits, gain, len(self._told))
        heapq.heappush(self._waiting, entry)
