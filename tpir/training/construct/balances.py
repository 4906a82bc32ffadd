"""Balances: how many more tokens of one set there are than of another, as large and disjoint."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from tpir.training.construct.features import (
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
from tpir.training.construct.grammar import Candidate
from tpir.training.construct.pool import Pool

_LARGEST, _MOST = 3, 8
"""Sets of so many tokens, of so many that there are."""

_FIRST, _EACH, _USE = 1.0, 0.25, 0.5
"""Bits of a balance, per doubling of how many there are, and of a use of one."""


class Balances:
    """Balances over the tokens of the pool's inputs, and what is made of one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def all(self) -> Iterator[Candidate]:
        """Each, by what it takes to name the sets of tokens and the places of their keys."""
        batch = self._pool.batch
        low, high = batch.bounds(Base.TOKEN)
        tokens = [token for token in range(low, high + 1) if token != batch.begun]
        if len(tokens) > _MOST:
            return
        places = [Where.ANYWHERE, Where.BEFORE] + [Where.AFTER] * (not batch.causal)
        for size in range(1, _LARGEST + 1):
            pairs = list(_disjoint(tokens, size))
            bits = _FIRST + _EACH * math.log2(max(1, len(pairs)) * len(places) ** 2)
            for (one, other), here, there in itertools.product(pairs, places, places):
                made = Combined("-", self._count(one, here), self._count(other, there))
                yield Candidate(bits, made)

    def uses(self, candidate: Candidate) -> Iterator[Candidate]:
        """Counting where a balance is the same, and fetching the token from there."""
        balance = candidate.feature
        for where in (Where.BEFORE, Where.ANYWHERE):
            same = Selector(Relation("==", balance, balance), None, where)
            yield Candidate(candidate.bits + _USE, Fetch(same, Base.TOKEN))
            yield Candidate(candidate.bits + _USE, Count(same))

    def _count(self, tokens: tuple[int, ...], where: Where) -> Feature:
        made = Count(Selector(None, Filter(Base.TOKEN, tokens), where))
        self._pool.keep(made)
        return made


def _disjoint(
    tokens: Sequence[int], size: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ordered pairs of disjoint sets of so many tokens."""
    for one in itertools.combinations(tokens, size):
        rest = [token for token in tokens if token not in one]
        for other in itertools.combinations(rest, size):
            yield one, other
