"""Readouts of fewer features: what no label needs goes, and every label stays."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
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
    made, kept = fewer_features(votes, cells, [True, True])
    assert len(kept) == 1
    assert not len(made.wrong(cells.features(kept)))


def test_what_is_needed_stays() -> None:
    bits = np.array(list(product((0, 1), repeat=3))).T
    table = np.array([[1.0, 0], [0, 1]])
    votes = Votes((table, table, table), np.zeros(2))
    cells = cells_of(list(bits), votes, [True, True, True])
    made, kept = fewer_features(votes, cells, [True] * 3)
    assert kept == [0, 1, 2]
    assert made is votes


def test_what_may_not_go_stays() -> None:
    a = np.array([0, 1, 0, 1])
    table = np.array([[1.0, 0], [0, 1]])
    votes = Votes((table, table), np.zeros(2))
    cells = cells_of([a, a], votes, [True, True])
    assert fewer_features(votes, cells, [False, False])[1] == [0, 1]
    assert fewer_features(votes, cells, [False, True])[1] == [0]


def test_all_cells_are_right_and_not_those_alone_that_are_fitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tpir.passes.fewer_features._FIRST", 40)
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, 6, 30_000) for _ in range(4)]
    numbers = [codes[0] + rng.integers(0, 2, 30_000), rng.integers(0, 9, 30_000)]
    tables = [rng.normal(size=(6, 4)) for _ in codes] + [rng.normal(size=(1, 4)) for _ in numbers]
    tables[1] *= 1e-4  # says next to nothing, but not nothing
    votes = Votes(tuple(tables), rng.normal(size=4))
    cells = cells_of([*codes, *numbers], votes, [True] * 4 + [False] * 2)
    little = Votes(tuple(t for k, t in enumerate(tables) if k != 1), votes.bias)
    assert len(little.wrong(cells.features([0, 2, 3, 4, 5])))
    made, kept = fewer_features(votes, cells, [True] * 6)
    assert not len(made.wrong(cells.features(kept)))
    assert {0, 2, 3, 5} <= set(kept)


def test_what_no_weights_separate_is_given_up() -> None:
    ones = np.ones((4, 1))
    bits = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    design = np.concatenate([bits, ones], axis=1)
    start = np.zeros((3, 2))
    assert separated(design, np.array([0, 1, 1, 0]), start, 1e-3) is None
    found = separated(design, np.array([0, 1, 1, 1]), start, 1e-3)
    assert found is not None
    assert (design @ found).argmax(axis=1).tolist() == [0, 1, 1, 1]


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
    assert features == ["a", "c", "tokens", "indices"]
    assert result.notes == ("labels: in small whole numbers, without b",)
