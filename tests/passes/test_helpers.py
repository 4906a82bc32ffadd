"""What passes rest on: exact sums, failures, filling of rows that are never reached."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest

from tests.passes.laws import assert_laws
from tpir.ir.builder import Builder
from tpir.ir.exact_sums import sums_are_exact
from tpir.ir.expressions import Argument, Binary, BinaryOp, Literal
from tpir.ir.functions import NumberWeights, Table, TableWeights
from tpir.ir.ops import (
    Aggregate,
    Always,
    Classify,
    Comparison,
    Indices,
    Map,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header
from tpir.ir.types import Categorical, Integer, Real
from tpir.passes.dont_cares import fill_table
from tpir.passes.failing import can_fail, fails
from tpir.passes.narrowing import fits
from tpir.passes.selectors import Selectors

AB = Categorical(("a", "b"))


def table(*rows: tuple[float, ...]) -> TableWeights:
    return TableWeights(("a", "b"), rows)


@pytest.mark.parametrize(
    ("bias", "rows", "exact"),
    [
        ((1.0, 2.0), ((0.5, 0.25), (-3.0, 0.0)), True),
        ((0.1, 0.0), ((0.2, 0.0), (0.3, 0.0)), False),
        ((2.0**50, 0.0), ((0.5, 0.0), (0.0, 0.0)), False),
        ((2.0**40, 0.0), ((0.5, 0.0), (0.0, 0.0)), True),
        ((0.0, 0.0), ((0.0, 0.0), (0.0, 0.0)), True),
    ],
)
def test_exact_sums(
    bias: tuple[float, ...], rows: tuple[tuple[float, ...], ...], exact: bool
) -> None:
    op = Classify(("x", "y"), bias, (table(*rows),))
    assert sums_are_exact(op, [AB], 8) is exact


def test_numbers_count_in_sums() -> None:
    op = Classify(("x", "y"), (0.0, 0.0), (NumberWeights((0.5, 2.0**40)),))
    assert sums_are_exact(op, [Integer(0, 8)], 8)
    assert not sums_are_exact(op, [Integer(0, 2**12)], 8)
    assert not sums_are_exact(op, [Real()], 8)


def test_exact_sums_are_exact_in_any_order() -> None:
    noise = random.Random(7)
    told_exact = 0
    for _ in range(500):
        scale = 2.0 ** noise.randint(0, 30)
        weights = [
            float(np.float32(noise.uniform(-1, 1) * scale ** noise.random())) for _ in range(6)
        ]
        features = tuple(table((w,), (0.0,)) for w in weights[1:])
        op = Classify(("x",), (weights[0],), features)
        if sums_are_exact(op, [AB] * 5, 8):
            told_exact += 1
            for order in itertools.islice(itertools.permutations(weights), 0, 720, 37):
                assert Fraction(sum(order)) == sum(map(Fraction, order))
    assert told_exact > 100


def test_failures() -> None:
    builder = Builder(Header(("a", 1), 3))
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    over = builder.add(Map(Binary(BinaryOp.DIVIDE, Literal(1), Argument(0))), [indices])
    safe = builder.add(Map(Binary(BinaryOp.ADD, Argument(0), Literal(1))), [indices])
    mixed = builder.add(Map(Binary(BinaryOp.ADD, Argument(0), Literal(1))), [tokens])
    less = builder.add(Select(Comparison(BinaryOp.LESS)), [tokens, indices])
    equal = builder.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, indices])
    width = builder.add(SelectorWidth(), [less])
    assert [fails(n) for n in (over, safe, mixed, less, equal, width)] == [
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    assert can_fail(width)
    assert not can_fail(builder.add(SelectorWidth(), [equal]))


def test_a_mean_of_words_fails() -> None:
    builder = Builder(Header(("a", "b"), 3))
    tokens = builder.add(Tokens())
    everything = builder.add(Select(Always(True)), [tokens, tokens])
    assert fails(builder.add(Aggregate("a"), [everything, tokens]))


def test_narrowing() -> None:
    assert fits(Integer(0, 3), Integer(0, 9))
    assert not fits(Integer(0, 10), Integer(0, 9))
    assert fits(Categorical((1,)), Integer(0, 2**50))
    assert not fits(Categorical((True,)), Integer(0, 9))
    assert fits(Categorical(("b",)), AB)
    assert not fits(Real(), AB)
    assert not fits(AB, Real())


def test_unreached_rows_make_arguments_idle() -> None:
    full = Table(((0, 1), (0, 1, 2)), ("p", "q", "r", "q", "p", "r"))
    reached = np.array([[True, False, True], [False, True, True]])
    filled = fill_table(full, reached, [True, True])
    assert filled.kept == (0,) or filled.kept == (1,)
    for row in zip(*np.nonzero(reached), strict=True):
        arguments = [(0, 1)[row[0]], (0, 1, 2)[row[1]]]
        assert filled.table(*(arguments[k] for k in filled.kept)) == full(*arguments)


def test_filling_keeps_reached_rows_and_forgets_the_others() -> None:
    noise = random.Random(3)
    for _ in range(300):
        domains = tuple(tuple(range(noise.randint(1, 4))) for _ in range(noise.randint(1, 3)))
        shape = tuple(map(len, domains))
        count = int(np.prod(shape))
        reached = np.array([noise.random() < 0.5 for _ in range(count)]).reshape(shape)
        reached.flat[0] = True
        droppable = [noise.random() < 0.8 for _ in shape]
        first = Table(domains, tuple(noise.choice("xyz") for _ in range(count)))
        mixed = [
            noise.choice("xyz") if not r else v
            for r, v in zip(reached.flat, first.results, strict=True)
        ]
        filled, again = (
            fill_table(t, reached, droppable) for t in (first, Table(domains, tuple(mixed)))
        )
        assert filled == again or (filled.kept, filled.table) == (again.kept, again.table)
        assert set(filled.table.results) <= {
            v for v, r in zip(first.results, reached.flat, strict=True) if r
        }
        for place in np.argwhere(reached):
            arguments = [domains[k][p] for k, p in enumerate(place.tolist())]
            assert filled.table(*(arguments[k] for k in filled.kept)) == first(*arguments)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("operator", [BinaryOp.LESS, BinaryOp.LESS_EQUAL, BinaryOp.GREATER])
def test_positions_behind_the_query_are_never_seen_in_a_causal_program(
    causal: bool, operator: BinaryOp
) -> None:
    builder = Builder(Header(("a", "b"), 4, causal))
    indices = builder.add(Indices())
    seen = builder.add(Select(Comparison(operator)), [indices, indices])
    program = builder.build({"seen": builder.add(SelectorWidth(), [seen])})
    result = assert_laws(Selectors(), program)
    assert result.changed is (causal and operator is not BinaryOp.LESS)
