"""Conjunctions of relations against the interpreter's and, or and not."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from tpir.ir import conjunctions
from tpir.ir.builder import Builder
from tpir.ir.conjunctions import Match, conjoin, either, without_constants
from tpir.ir.functions import Table
from tpir.ir.ops import Indices, Map, Tokens
from tpir.ir.program import Header, Node
from tpir.ir.types import size_of

BUILDER = Builder(Header(("a", "b"), 3))
TOKENS = BUILDER.add(Tokens())
INDICES = BUILDER.add(Indices())
VOWEL = BUILDER.add(Map(Table((("a", "b"),), (1, 0))), [TOKENS])
VARIABLES = (TOKENS, INDICES, VOWEL)
VALUES = tuple(itertools.product(*(range(size_of(node.type) or 0) for node in VARIABLES)))


def random_match(noise: random.Random) -> Match:
    """All kinds of rows: at random, all alike, all or nothing, all, none."""
    keys, queries = noise.choice(VARIABLES), noise.choice(VARIABLES)
    shape = size_of(queries.type) or 0, size_of(keys.type) or 0
    kind = noise.randrange(4)
    holds = np.array([[noise.random() < 0.6 for _ in range(shape[1])] for _ in range(shape[0])])
    if kind == 1:
        holds = np.broadcast_to(holds[:1], shape)
    elif kind == 2:
        holds = np.broadcast_to(holds[:, :1], shape)
    return Match(keys, queries, holds)


def truths(matches: tuple[Match, ...]) -> list[bool]:
    """For all values that the variables can have at a key and at a query: do all match?"""
    place = {node: k for k, node in enumerate(VARIABLES)}
    return [
        all(m.holds[query[place[m.queries]], key[place[m.keys]]] for m in matches)
        for key, query in itertools.product(VALUES, VALUES)
    ]


def test_one_relation_holds_what_it_can() -> None:
    for seed in range(500):
        noise = random.Random(seed)
        matches = tuple(random_match(noise) for _ in range(noise.randint(0, 4)))
        found = conjoin(matches)
        assert truths(found) == truths(matches)
        assert conjoin(found) == found
        for one, other in itertools.combinations(found, 2):
            assert either((one,), (other,)) is None
        for match in found:
            assert not match.holds.all()
            assert match.holds.any() or len(found) == 1


def test_either_side() -> None:
    united = 0
    for seed in range(500):
        noise = random.Random(seed)
        left, right = (conjoin([random_match(noise) for _ in range(2)]) for _ in range(2))
        found = either(left, right)
        expected = [a or b for a, b in zip(truths(left), truths(right), strict=True)]
        if found is not None:
            united += 1
            assert truths(found) == expected
        one, other = random_match(noise), random_match(noise)
        assert truths((one.opposite,)) == [not x for x in truths((one,))]
        if (one.keys, one.queries) == (other.keys, other.queries):
            assert either((one,), (other,)) is not None
    assert 50 < united < 450


def test_true_ones_leave_the_order_alone() -> None:
    every = Match(TOKENS, TOKENS, np.ones((2, 2), bool))
    same = Match(VOWEL, VOWEL, np.eye(2, dtype=bool))
    before = Match(INDICES, INDICES, np.tri(3, k=-1, dtype=bool))
    assert conjoin([same, every, before, every]) == (same, before)
    assert conjoin([every, every]) == ()


def constant(value: str | int | bool) -> Node:
    return BUILDER.add(Map(Table((), (value,))))


@pytest.mark.parametrize("value", [True, False])
def test_constants_give_way_to_positions(value: bool) -> None:
    """Of a constant truth value the type has two, and one of them counts."""
    yes = constant(value)
    match = Match(TOKENS, yes, np.array([[True, False], [False, True]]))
    found = without_constants(match, INDICES, keys=False)
    assert (found.keys, found.queries) == (TOKENS, INDICES)
    assert found.holds.tolist() == [[not value, value]] * 3
    match = Match(yes, VOWEL, np.array([[True, False], [False, True]]))
    assert without_constants(match, INDICES, keys=False) is match
    found = without_constants(match, INDICES, keys=True)
    assert (found.keys, found.queries) == (INDICES, VOWEL)
    assert found.holds.tolist() == [[not value] * 3, [value] * 3]


def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conjunctions, "_one_of", lambda left, right, any_left, any_right: left)
    with pytest.raises((AssertionError, ValueError)):
        test_one_relation_holds_what_it_can()
