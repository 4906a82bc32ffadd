"""Values of features on arrays are those that the interpreter gives their programs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.training.construct.random_features import array_of, features, inputs
from tpir.ir.program import Header
from tpir.semantics.interpreter import run_many
from tpir.training.construct.batch import LONGEST, Batch
from tpir.training.construct.features import (
    Base,
    Count,
    Feature,
    Fetch,
    Lookup,
    Relation,
    Selector,
)
from tpir.training.construct.label_table import LabelTable
from tpir.training.construct.program import OUTPUT, program_of

LENGTH = 4
VOCABULARIES = (("a", "b", "c"), ("c", "a", "b"))


def check_by_interpreter(
    feature: Feature, vocabulary: tuple[str, ...], *, causal: bool, begun: bool
) -> None:
    """Write the value of a feature out as its label, and compare it at all positions."""
    rows = inputs(len(vocabulary), LENGTH, begun=begun)
    batch = Batch(array_of(rows), causal=causal)
    assert batch.begun == (0 if begun else None)
    values = batch.values(feature)
    seen = {(int(value),): str(value) for value in values[batch.present]}
    program = program_of(
        Header(vocabulary=vocabulary, context=LENGTH, causal=causal),
        LabelTable((feature,), seen, "none"),
        begun=batch.begun,
    )
    outcomes = run_many(program, [[vocabulary[token] for token in row] for row in rows])
    for row, got, outcome in zip(rows, values, outcomes, strict=True):
        assert outcome.values is not None
        assert outcome.values[OUTPUT] == tuple(str(value) for value in got[: len(row)])


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    feature=features(),
    vocabulary=st.sampled_from(VOCABULARIES),
    causal=st.booleans(),
    begun=st.booleans(),
)
def test_values_are_those_of_the_program(
    feature: Feature, vocabulary: tuple[str, ...], causal: bool, begun: bool
) -> None:
    check_by_interpreter(feature, vocabulary, causal=causal, begun=begun)


def test_names_that_tables_give_are_compared_with_tokens_by_code() -> None:
    table = Lookup((Base.POSITION,), (0,), (3,), (2, 0, 1))
    fetched = Fetch(Selector(Relation("==", Base.TOKEN, table)), Base.POSITION)
    counted = Count(Selector(Relation("<", table, Base.TOKEN)))
    for vocabulary in VOCABULARIES:
        for feature in (fetched, counted):
            for begun in (False, True):
                check_by_interpreter(feature, vocabulary, causal=False, begun=begun)


def test_tokens_are_ordered_by_code_where_words_are_not() -> None:
    for begun in (False, True):
        for operator in ("<", ">"):
            counted = Count(Selector(Relation(operator, Base.TOKEN, Base.TOKEN)))
            check_by_interpreter(counted, ("c", "a", "b"), causal=False, begun=begun)


def plain_closest(keys: set[int], query: int) -> int:
    others = keys - {query}
    if others:
        return min(others, key=lambda key: (abs(key - query), key))
    return query if query in keys else 0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.sets(st.integers(0, LONGEST - 1)), min_size=LONGEST, max_size=LONGEST))
def test_closest_is_the_nearest_other_key_the_left_of_two(keys: list[set[int]]) -> None:
    batch = Batch(np.zeros((1, LONGEST), np.int16), causal=False)
    masks = np.array([[sum(1 << key for key in chosen) for chosen in keys]], np.uint64)
    chosen: NDArray[np.int64] = batch.closest(masks)
    assert chosen[0].tolist() == [plain_closest(keys[i], i) for i in range(LONGEST)]


def test_a_token_that_recurs_or_is_not_first_everywhere_is_not_apart() -> None:
    def begun(*rows: tuple[int, ...], apart: bool = True) -> int | None:
        return Batch(array_of(list(rows)), causal=False, apart=apart).begun

    assert begun((2, 0), (2, 1)) == 2
    assert begun((2, 0), (2, 2)) is None
    assert begun((2, 0), (1, 0)) is None
    assert begun((2, 0), (2, 1), apart=False) is None
