"""Tables of labels as programs: splitting them into small ones keeps every row."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.construct.random_features import array_of, inputs
from tpir.ir.ops import Map
from tpir.ir.program import Header
from tpir.semantics.interpreter import run_many
from tpir.training.construct.batch import Batch
from tpir.training.construct.features import Base, Count, Feature, Fetch, Filter, Relation, Selector
from tpir.training.construct.label_table import LabelTable, merge_columns
from tpir.training.construct.program import OUTPUT, program_of

VOCABULARY = ("a", "b", "c")
COLUMNS: tuple[Feature, ...] = (
    Base.TOKEN,
    Count(Selector(Relation("==", Base.TOKEN, Base.TOKEN))),
    Base.POSITION,
    Count(Selector(None, Filter(Base.TOKEN, (1,)))),
)


@pytest.mark.parametrize("n_features", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_every_row_keeps_its_label(n_features: int, seed: int) -> None:
    rows = inputs(3, 4, begun=False)
    batch = Batch(array_of(rows), causal=False)
    columns = [batch.values(feature) for feature in COLUMNS[:n_features]]
    draw = random.Random(seed)
    keys = {tuple(int(column[i, j]) for column in columns) for i, j in _places(rows)}
    labels = {key: draw.choice("xyz") for key in sorted(keys)}
    table = LabelTable(COLUMNS[:n_features], labels, "x")
    program = program_of(Header(vocabulary=VOCABULARY, context=4), table, begun=None)
    tables = [node for node in program.nodes if isinstance(node.op, Map)]
    assert all(len(node.operands) <= 2 for node in tables)
    assert len(tables) == max(1, n_features - 1)
    outcomes = run_many(program, [[VOCABULARY[token] for token in row] for row in rows])
    for i, j in _places(rows):
        outputs = outcomes[i].values
        assert outputs is not None
        assert outputs[OUTPUT][j] == labels[tuple(int(column[i, j]) for column in columns)]


def _places(rows: list[tuple[int, ...]]) -> list[tuple[int, int]]:
    return [(i, j) for i, row in enumerate(rows) for j in range(len(row))]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), st.sampled_from("xy")
    )
)
def test_merged_columns_keep_the_rows(rows: dict[tuple[int, ...], str]) -> None:
    class_of, merged = merge_columns(rows)
    assert {key[:2] for key in rows} == set(class_of)
    assert all(merged[class_of[a, b], c] == label for (a, b, c), label in rows.items())


def test_columns_that_matter_by_their_sum_merge_into_it() -> None:
    rows = {(a, b, c): str((a + b) * c) for a, b, c in product(range(3), range(3), (1, 2))}
    class_of, merged = merge_columns(rows)
    assert all(
        (class_of[p] == class_of[q]) == (sum(p) == sum(q)) for p in class_of for q in class_of
    )
    assert len(merged) == 5 * 2


def test_a_fetched_token_needs_no_table() -> None:
    last = Fetch(Selector(Relation("==", Base.POSITION, Base.POSITION, 1)), Base.TOKEN)
    labels = {(code,): word for code, word in enumerate(VOCABULARY)}
    header = Header(vocabulary=VOCABULARY, context=4)
    program = program_of(header, LabelTable((last,), labels, "a"), begun=None)
    assert run_many(program, [["a", "b", "c"]])[0].values == {OUTPUT: ("b", "c", "a")}
    swapped = LabelTable((last,), labels | {(0,): "b"}, "a")
    program = program_of(header, swapped, begun=None)
    assert run_many(program, [["a", "b", "c"]])[0].values == {OUTPUT: ("b", "c", "b")}


def test_only_a_table_that_spells_its_numbers_goes_on() -> None:
    names = ("<pad>", "0", "1", "2", "3", "4", "9")
    count = COLUMNS[1]
    table = LabelTable((count,), {(1,): "0", (2,): "1", (3,): "2"}, "0", names)
    assert [table.label((n,)) for n in (0, 4, 5, 6, 10)] == ["0", "3", "4", "2", "9"]
    assert table.guess((3,)) == "1", "two others are not enough"
    for rows in (
        {(1,): "0", (2,): "1"},
        {(1,): "0", (2,): "1", (3,): "3"},
        {(1,): "0", (2,): "1", (3,): "<pad>"},
    ):
        assert LabelTable((count,), rows, "0", names).label((4,)) == rows[max(rows)]


def test_a_row_that_was_not_seen_is_what_the_others_suggest() -> None:
    """All rows of one flag agree; of the other, a number is as the nearest one."""
    rows = {(0, n): "T" if n == 0 else "P" for n in range(4)} | {(1, n): "F" for n in range(-2, 1)}
    flag, number = Base.TOKEN, COLUMNS[1]
    table = LabelTable((flag, number), rows, "P")
    assert all(table.label(key) == label for key, label in rows.items())
    assert table.label((1, 9)) == table.label((1, -5)) == "F"
    assert table.label((0, 9)) == "P"
    assert table.guess((0, 0)) == "P" and table.guess((1, 0)) == "F"
    assert table.label((7, 9)) == "P", "the usual one"


def test_a_guess_does_not_look_at_the_row_itself() -> None:
    table = LabelTable((Base.POSITION,), {(0,): "a", (1,): "b", (5,): "c"}, "z")
    assert [table.guess((n,)) for n in (0, 1, 4, 5)] == ["b", "a", "c", "b"]
    assert LabelTable((Base.TOKEN,), {(0,): "a", (1,): "b"}, "z").guess((2,)) == "z"
