"""Splitting, and reading examples from files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpir.errors import TpirError
from tpir.training.examples import Examples, format_examples, read_examples, split


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
