"""``check``: proofs by exhaustion, smallest counterexamples, honest tests."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.strategies import programs
from tpir.equiv.check import check_programs
from tpir.equiv.verdict import Answer
from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.functions import Table
from tpir.ir.ops import Indices, Map, Tokens
from tpir.ir.program import Header, Program
from tpir.semantics.interpreter import run_many
from tpir.semantics.program_space import space_of


def program_of(table: dict[str, object], context: int = 3) -> Program:
    """tokens -> table."""
    vocabulary = tuple(table)
    builder = Builder(Header(vocabulary, context))
    tokens = builder.add(Tokens())
    node = builder.add(Map(Table((vocabulary,), tuple(table.values()))), [tokens])  # type: ignore[arg-type]
    return builder.build({"out": node})


def test_equal_programs_are_proved_over_all_inputs() -> None:
    program = program_of({"a": 1, "b": 2})
    verdict = check_programs(program, program, space_of(program), limit=100)
    assert verdict.answer is Answer.PROVED
    assert verdict.inputs == 2 + 4 + 8


@pytest.mark.parametrize("other", [True, 1.0, "1"])
def test_values_are_told_apart_by_type(other: object) -> None:
    left, right = program_of({"a": 1, "b": "x"}), program_of({"a": other, "b": "x"})
    verdict = check_programs(left, right, space_of(left), limit=100)
    assert verdict.answer is Answer.REFUTED
    assert verdict.counterexample is not None
    assert verdict.counterexample.tokens == ("a",)


def test_a_difference_beyond_the_limit_is_found_and_shrunk() -> None:
    vocabulary = tuple("abcdefgh")
    same = dict.fromkeys(vocabulary, 0)
    left, right = program_of(same, 12), program_of({**same, "h": 1}, 12)
    verdict = check_programs(left, right, space_of(left), limit=1000)
    assert verdict.answer is Answer.REFUTED
    assert verdict.counterexample is not None
    assert verdict.counterexample.tokens == ("h",)


def test_beyond_the_limit_equal_programs_are_only_tested() -> None:
    program = program_of(dict.fromkeys("abcdefgh", 0), 12)
    verdict = check_programs(program, program, space_of(program), limit=1000)
    assert verdict.answer is Answer.TESTED
    assert verdict.seed is not None
    assert "proved" not in str(verdict)


def test_the_form_bounds_what_is_compared() -> None:
    left, right = program_of({"a": 0, "b": 0}), program_of({"a": 0, "b": 1})
    header = replace(left.header, accepts='"a"{1,3}')
    formed = Program(header, left.nodes, left.outputs)
    assert check_programs(formed, right, space_of(formed), limit=100).answer is Answer.PROVED


@settings(max_examples=300)
@given(programs(max_context=3), programs(max_context=3))
def test_verdicts_are_those_of_brute_force(left: Program, right: Program) -> None:
    header = replace(right.header, vocabulary=left.vocabulary, context=left.context)
    if right.vocabulary != left.vocabulary:
        return
    right = Program(header, right.nodes, right.outputs) if right.context == left.context else left
    inputs = [
        row
        for length in range(1, left.context + 1)
        for row in itertools.product(left.vocabulary, repeat=length)
    ]
    outcomes = zip(run_many(left, inputs), run_many(right, inputs), strict=True)
    expected = next(
        (row for row, (a, b) in zip(inputs, outcomes, strict=True) if not _alike(a.key, b.key)),
        None,
    )
    try:
        verdict = check_programs(left, right, space_of(left), limit=10**6)
    except TpirError:
        return  # outputs that cannot be matched
    found = verdict.counterexample.tokens if verdict.counterexample else None
    assert found == expected
    assert (verdict.answer is Answer.PROVED) == (expected is None)


def _alike(left: object, right: object) -> bool:
    if isinstance(left, dict) and isinstance(right, dict) and len(left) == len(right) == 1:
        return list(left.values()) == list(right.values())
    return left == right


def test_outputs_that_do_not_match_are_an_error() -> None:
    builder = Builder(Header(("a",), 2))
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    left = builder.build({"x": tokens, "y": indices})
    right = builder.build({"x": tokens, "z": indices})
    with pytest.raises(TpirError, match="outputs differ"):
        check_programs(left, right, space_of(left), limit=10)
