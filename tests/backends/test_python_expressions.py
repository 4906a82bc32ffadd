"""Emitted expressions and failures, run for real, against the interpreter."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backends.python_cases import assert_agrees, assert_formatted, builder, load, outcome
from tpir.ir.expressions import (
    DIVISION_BY_ZERO,
    MEAN_OF_WORDS,
    MIXED_TYPES,
    NOT_A_NUMBER,
    Argument,
    Binary,
    BinaryOp,
    Expression,
    IfElse,
    Literal,
    Unary,
    UnaryOp,
)
from tpir.ir.functions import (
    Table,
)
from tpir.ir.ops import (
    Aggregate,
    Always,
    Choose,
    Comparison,
    Indices,
    Map,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Node
from tpir.ir.values import Value
from tpir.semantics.interpreter import run_many

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))

NUMBERS = (-2, 0, 3, 0.5, True)
EVERYTHING = (*NUMBERS, False, "word")
OPERATORS = list(BinaryOp)


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.value)
def test_operators_of_two(op: BinaryOp) -> None:
    for values in (NUMBERS, EVERYTHING, (1, 2, 3), (False, True)):
        assert_scalar(Binary(op, Argument(0), Argument(1)), values)


@pytest.mark.parametrize("op", list(UnaryOp), ids=lambda op: op.value)
def test_operators_of_one(op: UnaryOp) -> None:
    for values in (EVERYTHING, (1, 2), (False, True)):
        assert_scalar(Unary(op, Argument(0)), values)


def assert_scalar(expression: Expression, values: tuple[Value, ...]) -> None:
    """Every pair of values, at neighbouring positions, through one expression."""
    b = builder(values, 2)
    tokens, indices = b.add(Tokens()), b.add(Indices())
    first = b.add(Choose(Preference.FIRST), [b.add(Select(Always(True)), [indices, indices])])
    left = b.add(Aggregate(), [first, tokens])
    try:
        node = b.add(Map(expression), [left, tokens])
    except Exception as error:
        assert "type error" in str(error)
        return
    assert_agrees(b.build({"y": node}), [[x, y] for x in values for y in values])


def deep_expressions() -> st.SearchStrategy[Expression]:
    leaves = st.one_of(
        st.integers(0, 1).map(Argument),
        st.sampled_from((0, 1, -3, 2.5, True, "word", "a long " + "w" * 70)).map(Literal),
    )

    def grow(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        return st.one_of(
            st.builds(Unary, st.sampled_from(list(UnaryOp)), inner),
            st.builds(Binary, st.sampled_from(OPERATORS), inner, inner),
            st.builds(IfElse, inner, inner, inner),
        )

    return st.recursive(leaves, grow, max_leaves=25)


@settings(RELAXED, max_examples=150)
@given(deep_expressions(), st.sampled_from([NUMBERS, (0, 1, 2), (False, True)]))
def test_deep_expressions(expression: Expression, values: tuple[Value, ...]) -> None:
    assert_scalar(expression, values)


def test_long_expressions_are_formatted() -> None:
    b = builder((0, 1, 2), 3)
    tokens = b.add(Tokens())
    expression: Expression = Argument(0)
    for k in range(20):
        test = Binary(BinaryOp.LESS, expression, Literal(k * 1000))
        expression = Binary(BinaryOp.ADD, Argument(0), expression)
        if k % 10 == 9:
            expression = IfElse(expression, test, Literal(k))
        if k % 10 == 4:
            both = Binary(BinaryOp.AND, test, Binary(BinaryOp.OR, test, test))
            expression = Binary(BinaryOp.ADD, Unary(UnaryOp.INDICATOR, both), Argument(0))
    assert_formatted(assert_agrees(b.build({"y": b.add(Map(expression), [tokens])})))


def failing(kind: str) -> Node:
    b = builder(("a", 0), 3)
    tokens = b.add(Tokens())
    if kind == MEAN_OF_WORDS:
        words = b.add(Map(Table((tokens.type.domain,), ("x", "y"))), [tokens])
        selector = b.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, tokens])
        node = b.add(Aggregate("none"), [selector, words])
    else:
        zero = b.add(Map(Table((tokens.type.domain,), (1, 0))), [tokens])
        node = {
            DIVISION_BY_ZERO: lambda: b.add(
                Map(Binary(BinaryOp.MODULO, Literal(1), Argument(0))), [zero]
            ),
            MIXED_TYPES: lambda: b.add(
                Map(Binary(BinaryOp.ADD, Literal(1), Argument(0))), [tokens]
            ),
            NOT_A_NUMBER: lambda: b.add(
                Map(
                    Binary(
                        BinaryOp.POWER,
                        Literal(-0.5),
                        Binary(BinaryOp.DIVIDE, Argument(0), Literal(2)),
                    )
                ),
                [zero],
            ),
        }[kind]()
    return b.build({"y": node})


@pytest.mark.parametrize("kind", [DIVISION_BY_ZERO, MIXED_TYPES, MEAN_OF_WORDS, NOT_A_NUMBER])
def test_failures_say_the_same(kind: str) -> None:
    program = failing(kind)
    names = load(assert_agrees(program))
    inputs = [[x, y, z] for x in ("a", 0) for y in ("a", 0) for z in ("a", 0)]
    wanted = run_many(program, inputs)
    assert {o.failure for o in wanted} >= {kind}
    for tokens, expected in zip(inputs, wanted, strict=True):
        assert outcome(program, names, tokens).failure == expected.failure


def test_a_failing_comparison_that_no_one_selects_fails_too() -> None:
    b = builder(("a", 0), 3, causal=True)
    tokens = b.add(Tokens())
    selector = b.add(Select(Comparison(BinaryOp.LESS)), [tokens, tokens])
    assert_agrees(b.build({"y": b.add(SelectorWidth(), [selector])}))
