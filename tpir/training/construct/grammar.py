"""Which features can be made of those that are known, and how long it takes to describe them.

Description lengths are in bits: each choice takes about the logarithm of how many there are to
choose from, and a feature that is known takes the logarithm of its rank. So those found early are
cheap to use again, and programs that share are short.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tpir.training.construct.features import (
    Arithmetic,
    Base,
    Combined,
    Count,
    Feature,
    Fetch,
    Filter,
    Relation,
    Selector,
    Where,
)
from tpir.training.construct.parts import Known, Parts, filters, relations

_COUNT, _FETCH = 1.0, 2.4
"""Bits of saying that selected keys are counted, or the closest one fetched."""

_WHERE = ((0.0, Where.ANYWHERE), (0.5, Where.BEFORE), (1.0, Where.AFTER))
"""Bits of each place for keys; the last is left out where none comes after."""

_TO_NEIGHBOUR, _TO_EQUAL = 0.8, 0.5
"""Bits of fetching a feature from a neighbour, or from where another feature is equal."""

_EQUAL, _LISTED = 8, 3
"""So many of the features known first may be the equal one, or one of a certain value."""

_SUM, _LESS, _SAME, _NESTED = 1.3, 1.6, 1.8, 1.5
"""Bits of arithmetic and comparisons, and what operands that are such themselves add."""


class Candidate(NamedTuple):
    """A feature that could be made, and its description length."""

    bits: float
    feature: Feature


class Grammar:
    """The features known so far, and what can be made of them."""

    def __init__(self, *, causal: bool) -> None:
        self._known: list[Known] = []
        self._where = _WHERE[:2] if causal else _WHERE
        self._relations: Parts[Relation] = Parts()
        self._filters: Parts[Filter] = Parts()

    @property
    def known(self) -> Sequence[Known]:
        """In the order they were learnt."""
        return self._known

    def learn(self, feature: Feature, *, ordered: bool, low: int, high: int) -> Known:
        """From now on features can be made of this one."""
        new = Known(feature, ordered, low, high, len(self._known))
        self._known.append(new)
        for bits, relation in relations(new, self._known):
            self._relations.add(bits, new.rank, relation)
        for bits, chosen in filters(new):
            self._filters.add(bits, new.rank, chosen)
        return new

    def made_with(self, new: Known, low: float, high: float) -> Iterator[Candidate]:
        """Features that read ``new``, and for the rest only what was known before it.

        Those whose description length is above ``low`` and at most ``high`` bits.
        """
        for bits, selector in self._selectors(new, low - _COUNT, high - _COUNT):
            yield Candidate(bits + _COUNT, Count(selector))
        for value in self._known[:2]:
            base = _FETCH + value.bits
            for bits, selector in self._selectors(new, low - base, high - base):
                if not _is_value_itself(selector, value.feature):
                    yield Candidate(bits + base, Fetch(selector, value.feature))
        before = self._known[: new.rank]
        rest = itertools.chain(
            self._fetched(new, before),
            (made for other in before for made in _arithmetic(new, other)),
        )
        yield from (made for made in rest if low < made.bits <= high)

    def _selectors(self, new: Known, low: float, high: float) -> Iterator[tuple[float, Selector]]:
        """Selectors that read ``new`` and no later feature, between the same bounds."""
        for extra, where in self._where:
            least, most = low - extra, high - extra
            if new.feature is Base.POSITION and least < 0.0 <= most:
                yield extra, Selector(where=where)
            for bits, rank, chosen in self._filters.between(least, most):
                if rank == new.rank:
                    yield extra + bits, Selector(None, chosen, where)
            for bits, rank, relation in self._relations.between(least, most):
                if rank == new.rank:
                    yield extra + bits, Selector(relation, None, where)
            for bits, related, kept in self._pairs(new.rank, least, most):
                yield extra + bits, Selector(related, kept, where)

    def _pairs(
        self, rank: int, low: float, high: float
    ) -> Iterator[tuple[float, Relation, Filter]]:
        """A relation and a filter, the later of which reads the feature of that rank."""
        for relation in self._relations:
            if relation.bits > high:
                break
            if relation.rank > rank:
                continue
            for chosen in self._filters.between(low - relation.bits, high - relation.bits):
                later = max(relation.rank, chosen.rank) == rank
                if later and not _decides(relation.part, chosen.part):
                    yield relation.bits + chosen.bits, relation.part, chosen.part

    def _fetched(self, new: Known, known: Sequence[Known]) -> Iterator[Candidate]:
        """The new feature at a neighbour, where another is equal, or has a certain value."""
        if new.feature in tuple(Base):
            return
        for bits, selector in self._plain_selectors(known):
            yield Candidate(bits + _FETCH + new.bits, Fetch(selector, new.feature))

    def _plain_selectors(self, known: Sequence[Known]) -> Iterator[tuple[float, Selector]]:
        for extra, where in self._where:
            for offset in (-1, 1):
                step = Relation("==", Base.POSITION, Base.POSITION, offset)
                if where is Where.ANYWHERE:
                    yield extra + _TO_NEIGHBOUR, Selector(step)
            for other in known[:_EQUAL]:
                same = Relation("==", other.feature, other.feature)
                yield extra + _TO_EQUAL + other.bits, Selector(same, None, where)
            for other in known[:_LISTED]:
                for bits, chosen in filters(other):
                    if len(chosen.values) == 1:
                        yield extra + bits, Selector(None, chosen, where)


def _arithmetic(left: Known, right: Known) -> Iterator[Candidate]:
    if not (left.ordered and right.ordered):
        return
    nested = sum(isinstance(side.feature, Combined) for side in (left, right))
    bits = left.bits + right.bits + _NESTED * nested
    kinds: list[tuple[float, Arithmetic, Known, Known]] = [
        (_SUM, "-", left, right),
        (_SUM, "+", left, right),
        (_LESS, "<", left, right),
        (_LESS, "<", right, left),
        (_SAME, "==", left, right),
    ]
    for more, operator, a, b in kinds:
        yield Candidate(bits + more, Combined(operator, a.feature, b.feature))


def _decides(relation: Relation, chosen: Filter) -> bool:
    """Whether the relation asks for equality with oneself in what the filter fixes."""
    return relation.operator == "==" and relation.key is relation.query is chosen.key


def _is_value_itself(selector: Selector, value: Feature) -> bool:
    """Whether fetching ``value`` gives the query's own, known before."""
    relation = selector.relation
    return (
        relation is not None
        and selector.filter is None
        and relation.operator == "=="
        and relation.offset == 0
        and relation.key is relation.query is value
    )
