"""What is made of known features: each candidate once, whatever the steps it is made in."""

from __future__ import annotations

import itertools

import pytest

from tpir.training.construct.features import (
    Base,
    Combined,
    Count,
    Feature,
    Fetch,
    Lookup,
    Relation,
    Selector,
    is_ordered,
)
from tpir.training.construct.grammar import Grammar

COUNT = Count(Selector(Relation("==", Base.TOKEN, Base.TOKEN)))
LEARNT: tuple[Feature, ...] = (
    Base.POSITION,
    Base.TOKEN,
    COUNT,
    Fetch(Selector(), Base.TOKEN),
    Combined("-", COUNT, Base.POSITION),
    Lookup((COUNT,), (0,), (2,), (0, 1)),
)


def grammar(*, causal: bool) -> Grammar:
    made = Grammar(causal=causal)
    for feature in LEARNT:
        made.learn(feature, ordered=is_ordered(feature), low=0, high=3)
    return made


@pytest.mark.parametrize("causal", [False, True])
def test_bands_are_disjoint_and_complete(causal: bool) -> None:
    """The bounds are hit exactly by some: a band holds its upper bound, not its lower one."""
    given = grammar(causal=causal)
    edges = [-1.0, 1.0, 1.5, 2.9, 3.0, 4.2, 5.5, 7.0]
    for new in given.known:
        at_once = [(bits, repr(made)) for bits, made in given.made_with(new, edges[0], edges[-1])]
        assert any(bits in edges for bits, _ in at_once) or new.rank > 1
        in_steps = []
        for low, high in itertools.pairwise(edges):
            band = list(given.made_with(new, low, high))
            assert all(low < bits <= high for bits, _ in band)
            in_steps += [(bits, repr(made)) for bits, made in band]
        assert sorted(in_steps) == sorted(at_once)
        assert len(at_once) > 100


@pytest.mark.parametrize("causal", [False, True])
def test_no_candidate_is_made_twice(causal: bool) -> None:
    given = grammar(causal=causal)
    made = [repr(c.feature) for new in given.known for c in given.made_with(new, -1.0, 6.0)]
    assert len(made) == len(set(made))


def test_names_are_not_compared_with_quantities_nor_added() -> None:
    given = grammar(causal=False)
    for new in given.known:
        for _, made in given.made_with(new, -1.0, 6.0):
            if isinstance(made, Combined):
                assert is_ordered(made.left) and is_ordered(made.right)
            elif isinstance(made, Count | Fetch) and made.selector.relation is not None:
                relation = made.selector.relation
                assert is_ordered(relation.key) == is_ordered(relation.query)
