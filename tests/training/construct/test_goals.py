"""Goals and tables against plain definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.training.construct.random_features import array_of, inputs
from tpir.training.construct.batch import Batch
from tpir.training.construct.features import (
    Base,
    Count,
    Feature,
    Lookup,
    Relation,
    Selector,
    Where,
)
from tpir.training.construct.goals import Goal, Kind, answers, lasting, onset, places
from tpir.training.construct.grammar import Grammar
from tpir.training.construct.marks import marked
from tpir.training.construct.parts import Known
from tpir.training.construct.places import Places
from tpir.training.construct.pool import Pool
from tpir.training.construct.tables import Tables

SAME = Relation("==", Base.TOKEN, Base.TOKEN)
FEATURES: tuple[Feature, ...] = (
    Base.POSITION,
    Base.TOKEN,
    Count(Selector(SAME)),
    Count(Selector(where=Where.AFTER)),
    Count(Selector(SAME, where=Where.BEFORE)),
)


def goal_of(labels: Feature) -> Goal:
    batch = Batch(array_of(inputs(3, 4, begun=False)), causal=False)
    return Goal(
        Kind.LABEL, batch, np.where(batch.present, batch.values(labels), -1).astype(np.int16)
    )


def test_the_best_table_of_two_leaves_least_unknown() -> None:
    goal = goal_of(Count(Selector(Relation("<", Base.TOKEN, Base.TOKEN), where=Where.BEFORE)))
    known = [Known(f, True, 0, 3, rank) for rank, f in enumerate(FEATURES)]
    tables = Tables()
    for i, new in enumerate(known):
        partners = tables.partners(goal, new.feature, known[:i])
        list(tables.triples(goal, new.feature, partners, known[: i + 1]))

    def unknown(pair: tuple[Feature, ...]) -> float:
        return goal.conditional_entropy(*goal.joint(pair))

    best = tables.best(goal)
    assert best is not None
    assert unknown(best) == min(map(unknown, itertools.combinations(FEATURES, 2)))


def test_a_feature_tells_all_of_a_goal_that_is_it_and_little_of_another() -> None:
    goal = goal_of(FEATURES[2])
    batch = goal.batch
    itself, after = (goal.gain(batch.values(FEATURES[i])) for i in (2, 3))
    assert after < itself
    assert goal.share_right(*goal.joint(FEATURES[2:3])) == 1
    beside = goal.gain_beside(FEATURES[2], batch.values(FEATURES[2]))
    assert beside == pytest.approx(0, abs=1e-12)


def test_places_are_where_the_labels_stand() -> None:
    tokens = array_of([(0, 1, 2, 1), (0, 2, 1)])
    labels = array_of([(-1, 1, 1, 2), (-1, 1, 2)])
    names = np.array([-1, 1, 2])
    assert places(tokens, labels, names, 1).tolist() == [[-1, 1, 3, 2], [-1, 2, 1, -1]]
    assert places(tokens, labels, names, -1).tolist() == [[-1, 2, 3, 1], [-1, 2, 1, -1]]


def test_a_lasting_label_begins_once() -> None:
    labels = array_of([(-1, 1, 0, 0, 2), (-1, 0, 0, 2, 2), (-1, 1, 1, 0, 0)])
    assert lasting(labels) == [2]
    assert onset(labels, 2).tolist() == [[-1, 0, 0, 0, 1], [-1, 0, 0, 1, -1], [-1, 0, 0, 0, 0]]
    assert lasting(array_of([(0, 0, 0), (1, 1, 1)])) == [], "known from the first position on"
    assert lasting(array_of([(0, 1, 0), (1, 0, 1)])) == []


def test_an_answer_is_the_first_token_that_is_the_label_of_all_positions() -> None:
    tokens = array_of([(0, 1, 2, 1), (0, 2, 1), (0, 1, 1)])
    labels = array_of([(-1, 1, 1, 1), (-1, 1, 2), (-1, 2, 2)])
    names = np.array([-1, 1, 2])
    expected = [[0, 1, 0, -1], [-1, -1, -1, -1], [-1, -1, -1, -1]]
    assert answers(tokens, labels, names).tolist() == expected


def test_what_marks_where_a_label_begins_tells_whether_it_has() -> None:
    """A label 1 from the first token 2 on."""
    tokens = array_of([(0, 1, 2, 1), (1, 2, 2), (1, 1, 0)])
    labels = array_of([(0, 0, 1, 1), (0, 1, 1), (0, 0, 0)])
    pool = Pool(Batch(tokens, causal=True))
    goal = Goal(Kind.ONSET, pool.batch, onset(labels, 1))
    (begun,) = marked(pool, goal, (Base.TOKEN,))
    assert (pool.batch.values(begun) == labels)[pool.batch.present].all()
    answer = Goal(Kind.ANSWER, pool.batch, (tokens == 2).astype(np.int16) - (tokens < 0))
    (fetched,) = marked(pool, answer, (Base.TOKEN,))
    assert pool.batch.values(fetched).tolist() == [[0, 0, 2, 2], [1, 2, 2, 2], [1, 1, 1, 1]]


def test_a_place_but_for_a_constant_fetches_who_is_wanted() -> None:
    """Reversing: the token of so many after it is wanted one position further than that says."""
    rows = inputs(4, 4, begun=True)
    tokens = array_of(rows)
    labels = array_of([(-1, *reversed(row[1:])) for row in rows])
    pool = Pool(Batch(tokens, causal=False))
    after = Count(Selector(where=Where.AFTER))
    for feature in (Base.POSITION, Base.TOKEN, after):
        pool.keep(feature)
    positions = np.broadcast_to(np.arange(4), tokens.shape)
    wanted = np.where(labels >= 0, (tokens >= 0).sum(1)[:, None] - positions, -1)
    goal = Goal(Kind.PLACE, pool.batch, wanted.astype(np.int16))
    plain, among_tokens = itertools.islice(
        Places(pool, Grammar(causal=False)).by_sum(goal, (after,)), 2
    )
    for made in (plain, among_tokens):
        fetched = pool.batch.values(made)
        assert (fetched == labels)[labels >= 0].all()


def test_heads_are_at_odd_depths_and_what_varies_alike_is_kept_once() -> None:
    pool = Pool(goal_of(Base.TOKEN).batch)
    assert pool.keep_if_new(Base.POSITION) is not None
    assert pool.keep_if_new(Base.TOKEN) is not None
    assert pool.depth(Base.TOKEN) == 0
    assert pool.depth(FEATURES[2]) == 1
    assert pool.keep_if_new(Count(Selector(where=Where.BEFORE))) is None, "the position"
    assert pool.keep_if_new(Count(Selector(Relation("==", Base.POSITION, Base.POSITION)))) is None
    assert pool.keep_if_new(Lookup((Base.POSITION,), (0,), (4,), (3, 2, 1, 0))) is None
    assert pool.keep_if_new(FEATURES[2]) is not None
    assert pool.depth(Count(Selector(Relation("==", FEATURES[2], Base.POSITION)))) == 3
    assert len(pool) == 3
