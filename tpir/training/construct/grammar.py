"""Which features can be made of those that are there, and how many bits it takes to say which."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from tpir.training.construct.features import (
    Arithmetic,
    Base,
    Combined,
    Count,
    Feature,
    Fetch,
    Filter,
    Operator,
    Relation,
    Selector,
    Where,
)

_Part = TypeVar("_Part", Relation, Filter)

_OPERATORS: tuple[tuple[float, Operator], ...] = ((0.0, "=="), (0.5, "<"), (0.5, ">"), (1.0, "!="))

_SUBSETS = 7
"""Up to so many tokens, filters list two or three of them."""

_FILTERED = 17
"""A feature of more values than this is no filter."""


class Candidate(NamedTuple):
    """A feature that could be made, and its length in bits."""

    bits: float
    feature: Feature


class _Ranked(NamedTuple, Generic[_Part]):
    bits: float
    rank: int
    part: _Part


@dataclass(frozen=True)
class Known:
    """A feature that others can be made of.

    ``low`` and ``high`` bound its values; ``ordered`` ones are numbers, others are tokens, which
    are only compared with tokens. ``rank`` says how many are known longer, and so how many bits it
    takes to name it.
    """

    feature: Feature
    ordered: bool
    low: int
    high: int
    rank: int

    @property
    def bits(self) -> float:
        """The logarithm of its rank; the first two, token and position, are free."""
        return math.log2(max(self.rank, 1))


class Grammar:
    """Lengths in bits: each choice costs about the logarithm of how many there are to choose from.

    A feature that is known costs the logarithm of its rank, so that those found early are cheap to
    use again: programs that share are short.
    """

    def __init__(self, n_tokens: int, *, causal: bool) -> None:
        self.n_tokens = n_tokens
        self.known: list[Known] = []
        self._where = [(0.0, Where.ANYWHERE), (0.5, Where.BEFORE)]
        if not causal:
            self._where.append((1.0, Where.AFTER))
        # All there is to put selectors together from, the shortest first, with the rank of the
        # latest feature that it reads.
        self._relations: list[_Ranked[Relation]] = []
        self._filters: list[_Ranked[Filter]] = []

    def learn(self, feature: Feature, *, ordered: bool, low: int, high: int) -> Known:
        """From now on features can be made of this one."""
        new = Known(feature, ordered, low, high, len(self.known))
        self.known.append(new)
        for bits, relation in _relations(new, self.known):
            insort(self._relations, _Ranked(bits, new.rank, relation), key=_bits)
        for bits, chosen in self.filters(new):
            insort(self._filters, _Ranked(bits, new.rank, chosen), key=_bits)
        return new

    def made_with(self, new: Known, low: float, high: float) -> Iterator[Candidate]:
        """Features that read ``new``, and for the rest only what was known before it.

        Those whose length is above ``low`` and at most ``high`` bits.
        """
        for bits, selector in self._selectors(new, low - 1.0, high - 1.0):
            yield Candidate(bits + 1.0, Count(selector))
        for value in self.known[:2]:
            base = 2.4 + value.bits
            for bits, selector in self._selectors(new, low - base, high - base):
                if not _is_value_itself(selector, value.feature):
                    yield Candidate(bits + base, Fetch(selector, value.feature))
        before = self.known[: new.rank]
        rest = itertools.chain(
            self._fetched(new, before),
            (made for other in before for made in _arithmetic(new, other)),
        )
        yield from (made for made in rest if low < made.bits <= high)

    def filters(self, known: Known) -> Iterator[tuple[float, Filter]]:
        """Filters on one feature, with their bits."""
        size = known.high - known.low + 1
        if size > _FILTERED:
            return
        for value in range(known.low, known.high + 1):
            bits = 0.5 + 0.6 * math.log2(size)
            if known.ordered:
                # Of a number, the least value and nought are the ones that mean something.
                bits = 1.0 if value in (known.low, 0) else 1.5 + 0.6 * math.log2(size)
            yield known.bits + bits, Filter(known.feature, (value,))
        if known.feature is Base.TOKEN and size <= _SUBSETS:
            for n in (2, 3):
                bits = 0.5 + 0.6 * math.log2(2 * math.comb(size, n))
                for values in itertools.combinations(range(known.low, known.high + 1), n):
                    yield bits, Filter(known.feature, values)

    def _selectors(self, new: Known, low: float, high: float) -> Iterator[tuple[float, Selector]]:
        for extra, where in self._where:
            least, most = low - extra, high - extra
            if new.feature is Base.POSITION and least < 0.0 <= most:
                yield extra, Selector(where=where)
            for bits, rank, chosen in _between(self._filters, least, most):
                if rank == new.rank:
                    yield extra + bits, Selector(None, chosen, where)
            for bits, rank, relation in _between(self._relations, least, most):
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
            for chosen in _between(self._filters, low - relation.bits, high - relation.bits):
                later = max(relation.rank, chosen.rank) == rank
                if later and not _decides(relation.part, chosen.part):
                    yield relation.bits + chosen.bits, relation.part, chosen.part

    def _fetched(self, new: Known, known: Sequence[Known]) -> Iterator[Candidate]:
        """The new feature at a neighbour, at an equal token, at a certain token or value."""
        if new.feature in tuple(Base):
            return
        selectors: list[tuple[float, Selector]] = []
        for extra, where in self._where:
            for offset in (-1, 1):
                step = Relation("==", Base.POSITION, Base.POSITION, offset)
                if where is Where.ANYWHERE:
                    selectors.append((extra + 0.8, Selector(step)))
            for other in known[:8]:
                same = Relation("==", other.feature, other.feature)
                selectors.append((extra + 0.5 + other.bits, Selector(same, None, where)))
            for other in known[:3]:
                for bits, chosen in self.filters(other):
                    if len(chosen.values) == 1:
                        selectors.append((extra + bits, Selector(None, chosen, where)))
        for bits, selector in selectors:
            yield Candidate(bits + 2.4 + new.bits, Fetch(selector, new.feature))


def _relations(new: Known, known: Sequence[Known]) -> Iterator[tuple[float, Relation]]:
    for other in known:
        pairs = [(new, new)] if other is new else [(new, other), (other, new)]
        for key, query in pairs:
            if key.ordered != query.ordered:
                continue
            bits = 0.5 + key.bits + (query.bits + 1.2 if query is not key else 0.0)
            for more, operator in _OPERATORS:
                yield bits + more, Relation(operator, key.feature, query.feature)
            if key.ordered:
                more = 0.3 if key.feature is query.feature is Base.POSITION else 1.2
                for offset in (-1, 1):
                    yield bits + more, Relation("==", key.feature, query.feature, offset)


def _bits(ranked: _Ranked[_Part]) -> float:
    return ranked.bits


def _between(parts: list[_Ranked[_Part]], low: float, high: float) -> list[_Ranked[_Part]]:
    """Those of more than ``low`` and at most ``high`` bits."""
    first, last = bisect_right(parts, low, key=_bits), bisect_right(parts, high, key=_bits)
    return parts[first:last]


def _arithmetic(left: Known, right: Known) -> Iterator[Candidate]:
    if not (left.ordered and right.ordered):
        return
    nested = sum(isinstance(side.feature, Combined) for side in (left, right))
    bits = left.bits + right.bits + 1.5 * nested
    kinds: list[tuple[float, Arithmetic, Known, Known]] = [
        (1.3, "-", left, right),
        (1.3, "+", left, right),
        (1.6, "<", left, right),
        (1.6, "<", right, left),
        (1.8, "==", left, right),
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
