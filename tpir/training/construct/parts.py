"""Relations and filters: what selectors are put together from, by description length."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from tpir.training.construct.features import Base, Feature, Filter, Operator, Relation

_Part = TypeVar("_Part", Relation, Filter)

_OPERATORS: tuple[tuple[float, Operator], ...] = ((0.0, "=="), (0.5, "<"), (0.5, ">"), (1.0, "!="))
"""What each operator adds to the description length of a relation, in bits."""

_RELATION, _SECOND = 0.5, 1.2
"""Bits of a relation, and those of naming a query that is not the key."""

_OFFSET, _NEIGHBOUR = 1.2, 0.3
"""Bits of an offset: the position before or after is cheap."""

_SUBSETS = 7
"""Up to so many tokens, filters list two or three of them."""

_FILTERED = 17
"""A feature of more values than this is no filter."""


@dataclass(frozen=True)
class Known:
    """A feature that others can be made of.

    ``low`` and ``high`` bound its values; ``ordered`` ones are numbers, others are names, which are
    only compared with names. ``rank`` says how many were known before.
    """

    feature: Feature
    ordered: bool
    low: int
    high: int
    rank: int

    @property
    def bits(self) -> float:
        """What it takes to name it: the logarithm of its rank; the first two are free."""
        return math.log2(max(self.rank, 1))


class Ranked(NamedTuple, Generic[_Part]):
    """A relation or filter, its description length, and the rank of the latest it reads."""

    bits: float
    rank: int
    part: _Part


class Parts(Generic[_Part]):
    """Relations, or filters, ordered by description length."""

    def __init__(self) -> None:
        self._ranked: list[Ranked[_Part]] = []

    def __iter__(self) -> Iterator[Ranked[_Part]]:
        return iter(self._ranked)

    def add(self, bits: float, rank: int, part: _Part) -> None:
        """Add one, after those that are as long."""
        insort(self._ranked, Ranked(bits, rank, part), key=_bits)

    def between(self, low: float, high: float) -> list[Ranked[_Part]]:
        """Those of more than ``low`` and at most ``high`` bits."""
        first = bisect_right(self._ranked, low, key=_bits)
        return self._ranked[first : bisect_right(self._ranked, high, key=_bits)]


def relations(new: Known, known: Sequence[Known]) -> Iterator[tuple[float, Relation]]:
    """Relations of ``new`` with each of those known, itself included, with their bits."""
    for other in known:
        pairs = [(new, new)] if other is new else [(new, other), (other, new)]
        for key, query in pairs:
            if key.ordered != query.ordered:
                continue
            bits = _RELATION + key.bits + (query.bits + _SECOND if query is not key else 0.0)
            for more, operator in _OPERATORS:
                yield bits + more, Relation(operator, key.feature, query.feature)
            if key.ordered:
                beside = key.feature is query.feature is Base.POSITION
                more = _NEIGHBOUR if beside else _OFFSET
                for offset in (-1, 1):
                    yield bits + more, Relation("==", key.feature, query.feature, offset)


def filters(known: Known) -> Iterator[tuple[float, Filter]]:
    """Filters on one feature, with their bits: one value, or of few tokens two or three."""
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


def _bits(ranked: Ranked[_Part]) -> float:
    return ranked.bits
