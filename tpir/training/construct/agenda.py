"""The order in which features are taken: in turn by description length and by what they tell."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from tpir.training.construct.batch import Batch
from tpir.training.construct.features import Feature
from tpir.training.construct.goals import Goal

_TURN = 3
"""Of so many features, one is taken for what it tells, the others for being short."""

_BITS_PER_GAIN = 0.02
"""How much more of a goal a feature has to tell to make up for being a bit longer."""


class Agenda:
    """Evaluated features that wait to be taken, in two orders.

    What a feature tells is the share of a goal's entropy that it takes away (of ``goals``, the one
    where that is most), and beside each feature that is taken for that while it waits: the least
    counts, so that nothing is taken for what another told before (conditional mutual information
    maximisation, Fleuret 2004).
    """

    def __init__(self, batch: Batch, goals: Sequence[Goal]) -> None:
        self._batch, self._goals = batch, goals
        self._by_length: list[tuple[float, int, Feature]] = []
        self._by_gain: list[tuple[float, int, Feature, float, float, int]] = []
        self._telling: list[Feature] = []
        self._taken: set[Feature] = set()
        self._added = 0

    def add(self, feature: Feature, bits: float, gain: float) -> None:
        """Let a feature of this description length wait, that has this gain by itself."""
        self._added += 1
        heapq.heappush(self._by_length, (bits, self._added, feature))
        self._rank(self._added, feature, bits, gain)

    def take(self) -> Feature | None:
        """The next feature; None if none waits."""
        if len(self._taken) % _TURN:
            feature = self._shortest() or self._most_telling()
        else:
            feature = self._most_telling() or self._shortest()
        if feature is not None:
            self._taken.add(feature)
        return feature

    def _shortest(self) -> Feature | None:
        while self._by_length:
            feature = heapq.heappop(self._by_length)[2]
            if feature not in self._taken:
                return feature
        return None

    def _most_telling(self) -> Feature | None:
        """Gains only fall as more is taken, so an old one that is still the best needs no more."""
        while self._by_gain:
            _, serial, feature, bits, gain, seen = heapq.heappop(self._by_gain)
            if feature in self._taken:
                continue
            if seen == len(self._telling):
                self._telling.append(feature)
                return feature
            values = self._batch.values(feature)
            for known in self._telling[seen:]:
                beside = max(goal.gain_beside(known, values) for goal in self._goals)
                gain = min(gain, beside)
            self._rank(serial, feature, bits, gain)
        return None

    def _rank(self, serial: int, feature: Feature, bits: float, gain: float) -> None:
        """Note a gain that holds beside all that were taken for theirs so far."""
        entry = (_BITS_PER_GAIN * bits - gain, serial, feature, bits, gain, len(self._telling))
        heapq.heappush(self._by_gain, entry)
