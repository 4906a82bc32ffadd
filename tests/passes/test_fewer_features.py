"""Readouts of fewer features: what no label needs goes, and every label stays."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.passes.laws import assert_laws
from tpir.passes.fewer_features import fewer_features
from tpir.passes.integer_readout import IntegerReadout
from tpir.passes.separating import separated
from tpir.passes.votes import Cells, Votes
from tpir.text import parse


def cells_of(features: list[NDArray[np.intp]], votes: Votes, is_table: list[bool]) -> Cells:
    blank = Cells(tuple(features), tuple(is_table), np.zeros(len(features[0]), dtype=np.intp))
    return Cells(blank.index, blank.is_table, votes.logits(blank).argmax(axis=0))


def last(votes: Votes, cells: Cells, may_go: list[bool]) -> tuple[Votes, list[int]]:
    """The readout of the fewest features, after checking that all that were found are right."""
    found = fewer_features(votes, cells, may_go, lambda kept, k: 1)
    assert found[0][0] is votes
    for made, kept in found:
        assert not len(made.wrong(cells.features(kept)))
    assert [len(kept) for _, kept in found] == sorted({len(kept) for _, kept in found})[::-1]
    return found[-1]


def test_what_another_feature_says_as_well_goes() -> None:
    a = np.array([0, 1, 2, 0, 1, 2])
    b = a.copy()
    votes = Votes(
        (np.array([[3.0, 0], [0, 1], [3, 0]]), np.array([[0.0, 0], [0, 3], [0, 4]])), np.zeros(2)
    )
    cells = cells_of([a, b], votes, [True, True])
    assert cells.label.tolist() == [0, 1, 1, 0, 1, 1]
    alone = Votes(votes.tables[:1], votes.bias)
    assert len(alone.wrong(cells.features([0])))  # with the weights that it has, it would be wrong
    assert len(last(votes, cells, [True, True])[1]) == 1


def test_what_is_needed_stays() -> None:
    bits = np.array(list(product((0, 1), repeat=3))).T
    table = np.array([[1.0, 0], [0, 1]])
    votes = Votes((table, table, table), np.zeros(2))
    cells = cells_of(list(bits), votes, [True, True, True])
    made, kept = last(votes, cells, [True] * 3)
    assert kept == [0, 1, 2]
    assert made is votes


def test_what_may_not_go_stays() -> None:
    a = np.array([0, 1, 0, 1])
    table = np.array([[1.0, 0], [0, 1]])
    votes = Votes((table, table), np.zeros(2))
    cells = cells_of([a, a], votes, [True, True])
    assert last(votes, cells, [False, False])[1] == [0, 1]
    assert last(votes, cells, [False, True])[1] == [0]


def test_what_is_worth_most_goes_first() -> None:
    a = np.array([0, 1, 0, 1])
    table = np.array([[1.0, 0], [0, 1]])
    votes = Votes((table, table, table), np.zeros(2))
    cells = cells_of([a, a, a], votes, [True] * 3)
    found = fewer_features(votes, cells, [True] * 3, lambda kept, k: (3, 1, 2)[k])
    assert [kept for _, kept in found] == [[0, 1, 2], [1, 2], [1]]


def test_a_number_that_others_add_up_to_goes_and_no_logit_changes() -> None:
    """Of three numbers that always have the same sum, one: nothing has to be fitted."""
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 5, 400), rng.integers(0, 5, 400)
    numbers = [a.astype(np.intp), b.astype(np.intp), (9 - a - b).astype(np.intp)]
    votes = Votes(tuple(rng.normal(size=(1, 3)) for _ in numbers), rng.normal(size=3))
    cells = cells_of(numbers, votes, [False] * 3)
    found = fewer_features(votes, cells, [True] * 3, lambda kept, k: 1)
    made, kept = found[1]
    assert len(kept) == 2
    before, after = votes.logits(cells), made.logits(cells.features(kept))
    assert np.allclose(before - before[:1], after - after[:1])


def test_all_cells_are_right_and_not_those_alone_that_are_fitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tpir.passes.fewer_features._FIRST", 40)
    monkeypatch.setattr("tpir.passes.fewer_features._POOL", 60)
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, 6, 30_000) for _ in range(4)]
    numbers = [codes[0] + rng.integers(0, 2, 30_000), rng.integers(0, 9, 30_000)]
    tables = [rng.normal(size=(6, 4)) for _ in codes] + [rng.normal(size=(1, 4)) for _ in numbers]
    tables[1] *= 1e-4  # says next to nothing, but not nothing
    votes = Votes(tuple(tables), rng.normal(size=4))
    cells = cells_of([*codes, *numbers], votes, [True] * 4 + [False] * 2)
    little = Votes(tuple(t for k, t in enumerate(tables) if k != 1), votes.bias)
    assert len(little.wrong(cells.features([0, 2, 3, 4, 5])))
    _, kept = last(votes, cells, [True] * 6)
    assert {0, 2, 3, 5} <= set(kept)


@pytest.mark.parametrize("odd", [np.inf, np.nan, 1e300])
def test_numbers_beyond_all_bounds_harm_nothing(odd: float) -> None:
    a = np.array([0, 1, 0, 1])
    table = np.array([[1.0, 0], [0, 1]])
    votes = Votes((table, np.array([[0.0, 0.0]])), np.zeros(2))
    cells = Cells((a, np.array([odd, 1.0, 2.0, odd])), (True, False), a)
    with np.errstate(all="ignore"):
        found = fewer_features(votes, cells, [True, True], lambda kept, k: 1)
    assert found[0] == (votes, [0, 1])
    assert len(found) == (1 if not np.isfinite(odd) else 2)


def test_what_no_weights_separate_is_given_up() -> None:
    ones = np.ones((4, 1))
    bits = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    design = np.concatenate([bits, ones], axis=1)
    start = np.zeros((3, 1))
    assert separated(design, np.array([0, 1, 1, 0]), start, 0.5) is None
    found = separated(design, np.array([0, 1, 1, 1]), start, 0.5)
    assert found is not None
    assert ((design @ found)[:, 0] > 0).tolist() == [False, True, True, True]


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 4))
def test_what_some_weights_separate_is_separated(seed: int, labels: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    cells = np.concatenate([rng.normal(size=(60, columns)), np.ones((60, 1))], axis=1)
    logits = cells @ rng.normal(size=(columns + 1, labels))
    narrow = np.diff(np.sort(logits, axis=1)[:, -2:], axis=1)[:, 0] < 0.05
    cells, label = cells[~narrow], logits[~narrow].argmax(axis=1)
    found = separated(cells, label, np.zeros((columns + 1, labels - 1)), 0.5)
    assert found is not None
    made = np.concatenate([np.zeros((len(cells), 1)), cells @ found], axis=1)
    made[np.arange(len(cells)), label] -= 0.5
    assert (made.argmax(axis=1) == label).all()


def test_integer_readout_leaves_features_out() -> None:
    """Of three numbers that always have the same sum, one goes, whatever weights there were."""
    text = """context 5;
vocabulary {"a", "b", "c"};
labels {"few", "some", "many"};
accepts ("a" | "b" | "c"){5};
a = selector_width(select(tokens, "a", ==));
b = selector_width(select(tokens, "b", ==));
c = selector_width(select(tokens, "c", ==));
labels = classify {
    bias [0.25, 0.0, -2.5];
    a: [0.0, 0.5, 1.25];
    b: [0.5, 0.75, 0.0];
    c: [0.0, 1.75, 2.0];
    tokens: { "a" -> [0.5, 0.0, 1.0]; "b" -> [0.0, 1.0, 0.0]; "c" -> [1.0, 0.0, 0.25] };
    indices: { 0 -> [1, 0, 0.5]; 1 -> [0, 1.25, 0]; 2 | 3 -> [0, 0, 1]; _ -> [0, 0, 1.5] };
};
output labels;
"""
    result = assert_laws(IntegerReadout(), parse(text))
    features = [o.name for o in result.program.outputs["labels"].operands]
    assert features == ["b", "c", "tokens", "indices"]
    assert result.notes == ("labels: in small whole numbers, without a",)
