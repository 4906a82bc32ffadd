"""Random features, and inputs to compute them on."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import strategies as st

from tpir.training.construct.batch import Values
from tpir.training.construct.features import (
    Base,
    Combined,
    Count,
    Feature,
    Fetch,
    Filter,
    Lookup,
    Relation,
    Selector,
    Where,
    is_ordered,
)


def inputs(n_tokens: int, longest: int, *, begun: bool) -> list[tuple[int, ...]]:
    """All inputs; if ``begun``, after token 0, which is nowhere else."""
    if begun:
        rest = inputs(n_tokens - 1, longest - 1, begun=False)
        return [(0,), *((0, *(token + 1 for token in row)) for row in rest)]
    return [row for n in range(1, longest + 1) for row in product(range(n_tokens), repeat=n)]


def array_of(rows: list[tuple[int, ...]]) -> Values:
    longest = max(map(len, rows))
    return np.array([row + (-1,) * (longest - len(row)) for row in rows], np.int16)


@st.composite
def features(draw: st.DrawFn, *, most: int = 4) -> Feature:
    """A feature made of up to ``most`` others, each of any kind with any parts."""
    pool: list[Feature] = [Base.TOKEN, Base.POSITION]
    for _ in range(draw(st.integers(1, most))):
        pool.append(draw(_made_of(pool)))
    return pool[-1]


def _made_of(pool: list[Feature]) -> st.SearchStrategy[Feature]:
    one, chosen = st.sampled_from(pool), _selectors(pool)
    numbers = st.sampled_from([feature for feature in pool if is_ordered(feature)])
    operators = st.sampled_from(("+", "-", "<", "=="))
    return st.one_of(
        st.builds(Count, chosen),
        st.builds(Fetch, chosen, one),
        st.builds(Combined, operators, numbers, numbers),
        _lookups(pool),
    )


@st.composite
def _selectors(draw: st.DrawFn, pool: list[Feature]) -> Selector:
    relation = draw(st.none() | _relations(pool))
    values = st.lists(st.integers(-1, 3), min_size=1, max_size=3, unique=True).map(tuple)
    kept = draw(st.none() | st.builds(Filter, st.sampled_from(pool), values))
    return Selector(relation, kept, draw(st.sampled_from(Where)))


@st.composite
def _relations(draw: st.DrawFn, pool: list[Feature]) -> Relation:
    """Quantities are compared with quantities, names with names; only quantities have offsets."""
    key = draw(st.sampled_from(pool))
    alike = [feature for feature in pool if is_ordered(feature) == is_ordered(key)]
    operator = draw(st.sampled_from(("==", "!=", "<", ">")))
    offset = draw(st.integers(-2, 2)) if is_ordered(key) else 0
    return Relation(operator, key, draw(st.sampled_from(alike)), offset)


@st.composite
def _lookups(draw: st.DrawFn, pool: list[Feature]) -> Lookup:
    operands = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=2))
    n = len(operands)
    lows = draw(st.lists(st.integers(-1, 1), min_size=n, max_size=n))
    sizes = draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    rows = int(np.prod(sizes))
    results = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    return Lookup(tuple(operands), tuple(lows), tuple(sizes), tuple(results))
