"""Expressions on arrays against their definition, row by row, signs of zeros included."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tpir.errors import TpirError
from tpir.ir.expression_types import ExpressionTypeError, type_of_expression
from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    DictIndex,
    Expression,
    Failure,
    IfElse,
    ListIndex,
    Literal,
    Unary,
    UnaryOp,
    evaluate,
)
from tpir.ir.types import Bool, Categorical, Integer, Real, Type, values_of
from tpir.ir.values import Value
from tpir.semantics.columns import Column, encode
from tpir.semantics.failures import FAILURES
from tpir.semantics.maps import ExpressionKernel
from tpir.semantics.vectors import VectorEvaluator

INTS = (0, 1, -1, 2, 3, -7, 10, 2**26, 94906267, 2**53 - 1, -(2**53), 2**53)
FLOATS = (0.0, -0.0, 0.5, -0.5, 1.0, 3.0, 0.1, -2.75, 1e-310, 1e16, -1e300, 1e308, 2.0**53)
WORDS = ("a", "b", "")

TYPES: tuple[tuple[Type, Sequence[Value]], ...] = (
    (Integer(-(2**53), 2**53), INTS),
    (Integer(-3, 5), range(-3, 6)),
    (Bool(), (False, True)),
    (Real(), (*FLOATS, *INTS, False, True)),
    (Real(), FLOATS),
    (Categorical(("a", "b", 1, True, 1.0, "1", 0.5)), ("a", "b", 1, True, 1.0, "1", 0.5)),
    (Categorical((2, -3, 0.5)), (2, -3, 0.5)),
    (Categorical(("a",)), ("a",)),
)


def expressions(arity: int) -> st.SearchStrategy[Expression]:
    literals = st.sampled_from([*INTS, *FLOATS, *WORDS, True, False]).map(Literal)
    leaves = st.integers(0, arity - 1).map(Argument) | literals
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Unary, st.sampled_from(UnaryOp), inner),
            st.builds(Binary, st.sampled_from(BinaryOp), inner, inner),
            st.builds(IfElse, inner, inner, inner),
            st.builds(ListIndex, st.sampled_from([(1, 2.5), ("x", "", "y")]), inner),
            st.builds(DictIndex, st.just((1, "a", 0.5)), st.just((3, True, 0.5)), inner),
        ),
        max_leaves=6,
    )


def by_definition(function: Expression, row: tuple[Value, ...]) -> tuple[str, str]:
    try:
        return repr(evaluate(function, row)), ""
    except Failure as failure:
        return "", failure.kind


def on_arrays(
    function: Expression, types: tuple[Type, ...], rows: Sequence[tuple[Value, ...]], result: Type
) -> list[tuple[str, str]]:
    columns = []
    for type_, values in zip(types, zip(*rows, strict=True), strict=True):
        data, tags = encode(type_, values)
        columns.append(Column(type_, data[:, None], None if tags is None else tags[:, None]))
    kernel = ExpressionKernel(function, types, result)
    column, failed = kernel.run(columns, len(rows))
    kinds = [0] * len(rows) if failed is None else failed[:, 0].tolist()
    return [
        ("", FAILURES[kind - 1]) if kind else (repr(value), "")
        for value, kind in zip(column.decode(1)[0], kinds, strict=True)
    ]


@settings(max_examples=PROGRAMS // 4)
@given(st.data())
def test_arrays_give_what_the_definition_gives(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3))
    types = tuple(type_ for type_, _ in chosen)
    function = data.draw(expressions(len(types)))
    try:
        result = type_of_expression(function, types)
    except (ExpressionTypeError, TpirError):
        assume(False)
    noise = random.Random(data.draw(st.integers(0, 2**32 - 1)))
    rows = [tuple(noise.choice(values) for _, values in chosen) for _ in range(40)]
    found = on_arrays(function, types, rows, result)
    wanted = [by_definition(function, row) for row in rows]
    if isinstance(result, Categorical):  # its domain holds one zero
        found, wanted = ([(a.replace("-0.0", "0.0"), b) for a, b in x] for x in (found, wanted))
    assert found == wanted


ZERO, ONE = Literal(0), Literal(1)


@pytest.mark.parametrize(
    ("function", "type_", "values", "wanted"),
    [
        # There is no int -0: neither as a sign, nor as a product, nor as a remainder.
        (Binary(BinaryOp.ADD, Unary(UnaryOp.NEGATE, ZERO), Argument(0)), Real(), (-0.0,), ["0.0"]),
        (
            Binary(BinaryOp.ADD, Binary(BinaryOp.MULTIPLY, ZERO, Literal(-1)), Argument(0)),
            Real(),
            (-0.0,),
            ["0.0"],
        ),
        (
            Binary(BinaryOp.ADD, Binary(BinaryOp.MODULO, ZERO, Literal(-2)), Argument(0)),
            Real(),
            (-0.0,),
            ["0.0"],
        ),
        # Python decides powers, once for each distinct row: 0.0 and -0.0 are two of them.
        (Binary(BinaryOp.POWER, Argument(0), ONE), Real(), (0.0, -0.0, 0), ["0.0", "-0.0", "0"]),
        # 2^53 is still an int, 2^53 + 1 is none.
        (
            Binary(BinaryOp.ADD, Argument(0), ONE),
            Integer(0, 2**53 - 1),
            (2**53 - 1,),
            [repr(2**53)],
        ),
    ],
)
def test_corners(
    function: Expression, type_: Type, values: tuple[Value, ...], wanted: list[str]
) -> None:
    result = type_of_expression(function, (type_,))
    rows = [(value,) for value in values]
    assert on_arrays(function, (type_,), rows, result) == [(value, "") for value in wanted]
    assert [by_definition(function, row)[0] for row in rows] == wanted


@pytest.mark.parametrize("op", [BinaryOp.MODULO, BinaryOp.DIVIDE, BinaryOp.MULTIPLY])
def test_arithmetic_is_pythons_to_the_bit(op: BinaryOp) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(-(2**62), 2**62, size=(2, 20_000)).view(np.float64)
    near = rng.integers(-40, 40, size=(2, 20_000)) / 8
    pairs = np.hstack([bits, near])
    rows = list(map(tuple, pairs[:, np.isfinite(pairs).all(axis=0)].T.tolist()))
    function = Binary(op, Argument(0), Argument(1))
    found = on_arrays(function, (Real(), Real()), rows, Real())
    assert found == [by_definition(function, row) for row in rows]


def test_whole_numbers_are_decided_on_arrays() -> None:
    """What is fast must stay fast: no row of plain arithmetic is left to Python."""
    x, y = Argument(0), Argument(1)
    total = Binary(BinaryOp.ADD, Binary(BinaryOp.MULTIPLY, x, y), Literal(3))
    mean = Unary(UnaryOp.ROUND, Binary(BinaryOp.DIVIDE, total, Literal(2)))
    some = Binary(BinaryOp.AND, Binary(BinaryOp.LESS, x, Literal(5)), Unary(UnaryOp.NOT, y))
    function = IfElse(mean, some, Unary(UnaryOp.INDICATOR, total))
    types = (Integer(0, 999), Integer(-9, 9))
    codes = np.random.default_rng(0).integers(0, 19, size=(1000, 1))
    evaluator = VectorEvaluator(types)
    columns = [Column(type_, codes) for type_ in types]
    assert not evaluator.evaluate(function, evaluator.arguments(columns)).open.any()


@pytest.mark.parametrize("size", [3, 200])
def test_a_table_gives_what_single_rows_give(size: int) -> None:
    """The first rows are evaluated one by one, the rest looked up: small and large domains."""
    types = (Integer(-1, size), Categorical(("a", 0, 2.5)))
    function = Binary(BinaryOp.DIVIDE, Argument(1), Argument(0))
    rows = [(i, v) for i in range(-1, size + 1) for v in values_of(types[1]) or ()]
    columns = [
        Column(t, encode(t, [row[k] for row in rows])[0][:, None]) for k, t in enumerate(types)
    ]
    kernel = ExpressionKernel(function, types, Real())
    half = len(rows) // 2
    first, failed = kernel.run([Column(c.type, c.data[:half]) for c in columns], half)
    column, codes = kernel.run(columns, len(rows))
    assert kernel.table is not None
    assert codes is not None
    assert failed is not None
    assert first.decode(1)[0] == column.decode(1)[0][:half]
    assert failed.tolist() == codes[:half].tolist()
    wanted = [by_definition(function, row) for row in rows]
    kinds = ["" if code == 0 else FAILURES[code - 1] for code in codes[:, 0]]
    assert kinds == [kind for _, kind in wanted]
    values = [
        repr(v) if not kind else "" for v, kind in zip(column.decode(1)[0], kinds, strict=True)
    ]
    assert values == [value for value, _ in wanted]
