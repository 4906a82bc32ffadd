"""Tables of two or three features: which are worth trying for a goal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tpir.training.construct.features import Feature, Lookup
from tpir.training.construct.goals import LARGEST_TABLE, Goal
from tpir.training.construct.grammar import Candidate
from tpir.training.construct.parts import Known

_OPEN = 0.3
"""A table that leaves such a share of a goal's entropy cannot be right, and is not tried."""

_PARTNERS, _REMEMBERED, _EXTENDED = 3, 12, 4
"""Of each feature, so many tables of two are compared with the best so far, of which so many are
remembered and so many tried with a third feature."""


class Partner(NamedTuple):
    """A feature to stand in a table beside another, and the entropy that the two leave."""

    unknown: float
    feature: Feature


class Tables:
    """The best tables of two features for each goal, and those worth trying with a new feature."""

    def __init__(self) -> None:
        self._best: dict[Goal, list[tuple[float, tuple[Feature, ...]]]] = {}

    def best(self, goal: Goal) -> tuple[Feature, ...] | None:
        """The two features that leave least of a goal unknown; None if no two were compared."""
        found = self._best.get(goal)
        return found[0][1] if found else None

    def partners(self, goal: Goal, feature: Feature, known: Sequence[Known]) -> list[Partner]:
        """Those of ``known`` that make a table with ``feature`` that is not too large."""
        codes, size = goal.codes(feature)
        found = []
        for other in known:
            more, n = goal.codes(other.feature)
            if size * n <= LARGEST_TABLE:
                unknown = goal.conditional_entropy(codes * n + more, size * n)
                found.append(Partner(unknown, other.feature))
        return found

    def pairs(
        self, goal: Goal, feature: Feature, partners: Sequence[Partner]
    ) -> Iterator[tuple[Feature, ...]]:
        """Tables of the feature and a partner that may give the goal."""
        for unknown, other in partners:
            if unknown < _OPEN * goal.entropy:
                yield feature, other

    def triples(
        self, goal: Goal, feature: Feature, partners: Sequence[Partner], known: Sequence[Known]
    ) -> Iterator[tuple[Feature, ...]]:
        """The best tables of two with a third: a new pair with all known, an old one with the new.

        The tables of two with ``feature`` are compared with the best so far for that.
        """
        if not partners:
            return
        best = self._best.setdefault(goal, [])
        nearest = sorted(partners, key=lambda partner: partner.unknown)[:_PARTNERS]
        best += [(unknown, (feature, other)) for unknown, other in nearest]
        best.sort(key=lambda entry: entry[0])
        del best[_REMEMBERED:]
        for _, pair in best[:_EXTENDED]:
            for third in [k.feature for k in known] if feature in pair else [feature]:
                if third not in pair and _may_give(goal, (*pair, third)):
                    yield (*pair, third)


def _may_give(goal: Goal, features: tuple[Feature, ...]) -> bool:
    codes, size = goal.joint(features)
    return size <= LARGEST_TABLE and goal.conditional_entropy(codes, size) < _OPEN * goal.entropy


def best_labels(
    goal: Goal, feature: Feature, partners: Sequence[Partner], n_known: int
) -> Candidate | None:
    """The labels that a feature and its best partner go with most often, as a feature.

    None if that is one and the same label. Naming the two among ``n_known`` features is what its
    description takes.
    """
    if not partners:
        return None
    other = min(partners, key=lambda partner: partner.unknown).feature
    made = lookup(goal, (feature, other))
    if len(set(made.results)) == 1:
        return None
    return Candidate(2.0 + math.log2(1 + n_known) * 2, made)


def lookup(goal: Goal, features: tuple[Feature, ...]) -> Lookup:
    """The table that gives, for each combination of values, the label it most often goes with."""
    results = goal.best_table(*goal.joint(features))
    return lookup_of(goal, features, [int(label) for label in results])


def lookup_of(goal: Goal, features: tuple[Feature, ...], results: Sequence[int]) -> Lookup:
    """A table over the values that features have at the labelled positions of a goal."""
    lows, sizes = zip(*(goal.span(feature) for feature in features), strict=True)
    return Lookup(features, lows, sizes, tuple(results))
