"""Accuracy, overall and by length."""

from __future__ import annotations

import math

import pytest

from tpir.errors import TpirError
from tpir.training.evaluate import Tally, accuracy_by_length


def test_positions_without_a_label_do_not_count() -> None:
    accuracy = accuracy_by_length(
        tokens=[["<s>", "a", "b"], ["<s>", "a"], ["<s>", "b", "a"]],
        gold=[[None, "1", "2"], [None, "1"], [None, "2", "2"]],
        predicted=[["9", "1", "2"], ["9", "2"], [None, "2", "1"]],
    )
    assert accuracy.overall == Tally(labels=5, correct=3, inputs=3, inputs_correct=1)
    assert accuracy.overall.accuracy == 3 / 5
    assert dict(accuracy.by_length) == {2: Tally(1, 0, 1, 0), 3: Tally(4, 3, 2, 1)}
    assert list(accuracy.by_length) == [2, 3]


def test_nothing_labelled_has_no_accuracy() -> None:
    assert math.isnan(accuracy_by_length([["<s>"]], [[None]], [["a"]]).overall.accuracy)


def test_pooled_outputs_have_one_entry() -> None:
    assert accuracy_by_length([["a", "b"]], [["x"]], [["x"]]).by_length == {2: Tally(1, 1, 1, 1)}


def test_rows_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(TpirError, match="do not belong together"):
        accuracy_by_length([["a"]], [["x"]], [])
    with pytest.raises(TpirError, match="input 2: 1 predictions for 2 labels"):
        accuracy_by_length([["a"], ["a", "b"]], [["x"], ["x", "y"]], [["x"], ["x"]])


def test_each_length_counts_as_much_as_any_other() -> None:
    accuracy = accuracy_by_length(
        tokens=[["a"], ["a", "b"], ["b", "b"], ["<s>", "b", "b"]],
        gold=[["1"], ["1", "2"], ["1", "2"], [None, None, None]],
        predicted=[["2"], ["1", "2"], ["1", "1"], ["1", "1", "1"]],
    )
    assert accuracy.mean_over_lengths == (0 + 3 / 4) / 2
    assert accuracy.by_length[2].exact == 1 / 2
    assert math.isnan(accuracy_by_length([["a"]], [[None]], [["a"]]).mean_over_lengths)
    assert math.isnan(Tally().exact)
