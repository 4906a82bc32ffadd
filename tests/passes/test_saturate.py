"""Equality saturation: its laws on random selectors, and what it says where egglog is missing."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tests.passes.laws import assert_laws
from tests.passes.test_golden import EGGLOG
from tests.strategies_forms import accepting
from tests.strategies_selectors import selector_programs
from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, Literal
from tpir.ir.ops import (
    AggregateSum,
    Always,
    And,
    Comparison,
    Indices,
    Map,
    Not,
    Or,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Program
from tpir.passes.pipeline import parse_pipeline
from tpir.passes.saturate import Saturate
from tpir.passes.saturate_laws import COMPARISONS
from tpir.text import parse

LAWS_OF_OPTIONAL = ("saturate",)
"""Whose laws are here, because they need an extra."""

LEAST = 0.5
"""At least this share of the programs of few variables must change."""


@st.composite
def sums(draw: st.DrawFn) -> Program:
    """Sums and differences of counts and sums over selectors that are made of a few comparisons."""

    def pick(n: int) -> int:
        return draw(st.integers(0, n - 1))

    builder = Builder(Header(("a", "b"), 1 + pick(3), causal=pick(3) == 2))
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    selectors = [builder.add(Select(Always(pick(2) == 0)), [indices, indices])]
    for column in (tokens, indices, tokens):
        comparison = Select(Comparison(COMPARISONS[pick(len(COMPARISONS))]))
        selectors.append(builder.add(comparison, [column, column]))
    for _ in range(pick(4)):
        chosen = [selectors[-1 - pick(min(4, len(selectors)))] for _ in range(2)]
        op = (And(), Or(), Not())[pick(3)]
        selectors.append(builder.add(op, chosen[: 1 if isinstance(op, Not) else 2]))
    numbers = [indices]
    for _ in range(2 + pick(2)):
        selector = selectors[-1 - pick(min(5, len(selectors)))]
        if pick(3):
            numbers.append(builder.add(SelectorWidth(), [selector]))
        else:
            numbers.append(builder.add(AggregateSum(), [selector, numbers[pick(len(numbers))]]))
    for _ in range(1 + pick(2)):
        operator = (BinaryOp.ADD, BinaryOp.SUBTRACT)[pick(2)]
        right = Argument(1) if pick(4) else Literal(pick(3))
        both = [numbers[-1 - pick(min(3, len(numbers)))] for _ in range(2)]
        used = both if isinstance(right, Argument) else both[:1]
        numbers.append(builder.add(Map(Binary(operator, Argument(0), right)), used))
    return builder.build({"out": numbers[-1]})


@EGGLOG
def test_laws_of_sums() -> None:
    changed: list[bool] = []

    @settings(max_examples=PROGRAMS // 20)
    @given(sums())
    def check(program: Program) -> None:
        changed.append(assert_laws(Saturate(), program).changed)

    check()
    assert sum(changed) >= LEAST * len(changed)


@EGGLOG
@settings(max_examples=PROGRAMS // 40)
@given(accepting(selector_programs()))
def test_laws_of_any_selectors(program: Program) -> None:
    assert_laws(Saturate(), program)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "egglog.bindings", None)
    (each,) = parse_pipeline("saturate{rounds=3}")
    with pytest.raises(TpirError, match=r"pip install 'tpir\[saturate\]'"):
        each.run(parse("output o = indices + 1;", vocabulary="ab", context=2))
