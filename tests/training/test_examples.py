"""Splitting, and reading examples from files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpir.errors import TpirError
from tpir.training.examples import (
    Examples,
    format_examples,
    read_examples,
    split,
    split_by_length,
)


@given(st.lists(st.integers(0, 30), min_size=60, max_size=120), st.integers(0, 5))
def test_splits_share_no_input_and_lose_none(values: list[int], seed: int) -> None:
    rows = tuple((str(value),) for value in [*range(31), *values])
    examples = Examples(rows, tuple((str(i),) for i in range(len(rows))))
    splits = split(examples, seed=seed)
    parts = (splits.train, splits.validation, splits.test)
    inputs = [set(part.tokens) for part in parts]
    assert not (inputs[0] & inputs[1] or inputs[0] & inputs[2] or inputs[1] & inputs[2])
    assert sorted(label for part in parts for label in part.labels) == sorted(examples.labels)
    assert splits == split(examples, seed=seed)


def test_split_sizes() -> None:
    rows = tuple((str(i),) for i in range(1000))
    splits = split(Examples(rows, rows), seed=0)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [810, 90, 100]


def test_too_few_examples_to_split() -> None:
    rows = (("a",), ("b",))
    with pytest.raises(TpirError, match="too few"):
        split(Examples(rows, rows), seed=0)


def test_written_examples_read_back(tmp_path: Path) -> None:
    examples = Examples(
        (("<s>", "é", '"'), ("<s>", "\n", "\u2028")), ((None, "1", "2"), (None, None, "x"))
    )
    path = tmp_path / "data.jsonl"
    path.write_text(format_examples(examples), encoding="utf-8")
    assert read_examples(path) == examples


def test_pooled_examples_have_one_label(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"tokens": ["a", "b"], "labels": ["x"]}\n\n')
    assert read_examples(path, pooled=True).labels == (("x",),)
    with pytest.raises(TpirError, match="line 1: 1 label, where 2 belong"):
        read_examples(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no examples"),
        ("{", "line 1: not JSON"),
        ("[1]", "line 1: expected"),
        ('{"tokens": ["a"]}', "line 1: expected"),
        ('{"tokens": [], "labels": []}', "tokens must be a non-empty list"),
        ('{"tokens": [1], "labels": ["a"]}', "tokens must be"),
        ('{"tokens": ["a"], "labels": [1]}', "labels must be"),
        ('{"tokens": ["a"], "labels": ["b"]}\n{"tokens": ["a"], "labels": []}', "line 2: 0 labels"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(text)
    with pytest.raises(TpirError, match=message):
        read_examples(path)


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TpirError, match="cannot read"):
        read_examples(tmp_path / "none.jsonl")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TpirError, match="is not a text file"):
        read_examples(binary)


@given(st.lists(st.integers(1, 6), min_size=3, max_size=60), st.integers(0, 5))
def test_splits_by_length_hold_out_some_of_each(lengths: list[int], seed: int) -> None:
    rows = tuple((str(i),) * length for i, length in enumerate([4, 4, 4, *lengths]))
    rows = (*rows, rows[0])  # one input twice
    splits = split_by_length(Examples(rows, rows), seed=seed)
    parts = (splits.train, splits.validation, splits.test)
    inputs = [set(part.tokens) for part in parts]
    assert sum(map(len, inputs)) == len(set(rows))
    assert sorted(row for part in parts for row in part.tokens) == sorted(rows)
    for length in {len(row) for row in rows}:
        count = sum(len(row) == length for row in set(rows))
        held = [sum(len(row) == length for row in part) for part in inputs]
        assert held[0] >= 1
        assert all(held[1:]) if count >= 3 else held[1:] == [0, 0]


def test_splits_by_length_hold_out_a_tenth() -> None:
    rows = tuple((str(i), *["x"] * (i % 2)) for i in range(2000))
    splits = split_by_length(Examples(rows, rows), seed=0)
    sizes = [len(part) for part in (splits.train, splits.validation, splits.test)]
    assert sizes == [1620, 180, 200]
    with pytest.raises(TpirError, match="no three of a length"):
        split_by_length(Examples(rows[:4], rows[:4]), seed=0)
