"""Fetching from a place: where a goal says at which position each token is wanted.

What gives that goal names a position at each token. A head whose query is its own position and
whose key is the place asks 'who is wanted here?' and fetches the token that is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tpir.training.construct.batch import Values
from tpir.training.construct.features import (
    Base,
    Combined,
    Feature,
    Fetch,
    Filter,
    Relation,
    Selector,
)
from tpir.training.construct.goals import LARGEST_TABLE, SURE, Goal
from tpir.training.construct.grammar import Grammar
from tpir.training.construct.parts import filters
from tpir.training.construct.pool import Pool, digest
from tpir.training.construct.tables import lookup

_MORE = 40
"""Of so many of the features known first, one may say which tokens are wanted nowhere."""


class Places:
    """Proposes heads that fetch tokens from where they are wanted."""

    def __init__(self, pool: Pool, grammar: Grammar) -> None:
        self._pool, self._grammar = pool, grammar
        self._summands: dict[Goal, dict[bytes, Feature]] = {}

    def by_sum(self, goal: Goal, features: tuple[Feature, ...]) -> Iterator[Fetch]:
        """Where the place is a feature, or two added, but for a constant: no table is needed.

        A filter may have to say which tokens are wanted somewhere.
        """
        if len(features) > 2:
            return
        place: Feature = features[0]
        if len(features) == 2:
            place = Combined("+", *features)
            self._pool.keep(place)
        offsets = np.unique(goal.labels - goal.at(self._pool.batch.values(place)))
        if len(offsets) != 1:
            return
        here = Relation("==", place, Base.POSITION, -int(offsets[0]))
        for chosen in self._filters(goal):
            yield from self._fetch(Selector(here, chosen))

    def by_table(self, goal: Goal, features: tuple[Feature, ...]) -> Iterator[Fetch]:
        """Where the place is a table of features.

        It has to keep quiet at tokens that are wanted nowhere, which may take one more feature.
        """
        wanted = goal.everywhere()
        more = [known.feature for known in self._grammar.known[:_MORE]]
        for extra in [(), *((feature,) for feature in more if feature not in features)]:
            operands = (*features, *extra)
            codes, size = wanted.joint(operands)
            if size <= LARGEST_TABLE and wanted.share_right(codes, size) >= SURE:
                place = lookup(wanted, operands)
                self._pool.keep(place)
                yield from self._fetch(Selector(Relation("==", place, Base.POSITION)))

    def completed_sums(self, goal: Goal, feature: Feature, values: Values) -> Iterator[Combined]:
        """Look for a feature that gives the goal when this one is added or subtracted.

        What it would have to be is known, up to a constant, so one look-up finds it among all that
        were given here before.
        """
        here = goal.at(values)
        summands = self._summands.setdefault(goal, {})
        for operator, missing in (("+", goal.labels - here), ("-", goal.labels + here)):
            other = summands.get(digest(missing - missing[0]))
            if other is not None:
                made = Combined("+" if operator == "+" else "-", other, feature)
                self._pool.keep(made)
                yield made
        summands.setdefault(digest(here - here[0]), feature)

    def _filters(self, goal: Goal) -> Iterator[Filter | None]:
        tokens = np.unique(goal.at(self._pool.batch.values(Base.TOKEN)))
        yield None
        yield Filter(Base.TOKEN, tuple(map(int, tokens)))
        for known in self._grammar.known[:_MORE]:
            for _, chosen in filters(known):
                yield chosen

    def _fetch(self, selector: Selector) -> Iterator[Fetch]:
        made = Fetch(selector, Base.TOKEN)
        if self._pool.fits(made):
            yield made
