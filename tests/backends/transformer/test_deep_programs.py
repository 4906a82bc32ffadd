"""Programs of many nodes, deep ones and such as share a lot: compiled soon, and exact."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import tpir
from tpir.equiv.verdict import Answer
from tpir.ir.builder import Builder
from tpir.ir.expressions import BinaryOp
from tpir.ir.functions import Table
from tpir.ir.ops import (
    Aggregate,
    And,
    Choose,
    Comparison,
    Indices,
    Map,
    Not,
    Or,
    Otherwise,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Node
from tpir.ir.types import values_of

DEEP = 1_000
"""Steps of a chain: more than Python's stack has frames."""


def proved(builder: Builder, output: Node) -> None:
    program = builder.build({"out": output})
    compiled = tpir.compile(program, target="transformer")
    verdict = tpir.check(program, compiled)
    assert verdict.answer is Answer.PROVED, str(verdict)


def builder_of(vocabulary: tuple[str, ...] = ("a", "b", "c"), context: int = 4) -> Builder:
    return Builder(Header(vocabulary, context))


def turned(builder: Builder, node: Node) -> Node:
    """Each value becomes the next one."""
    domain = values_of(node.type) or ()
    return builder.add(Map(Table((domain,), (*domain[1:], domain[0]))), [node])


def chain_of_tables(builder: Builder) -> Node:
    x = builder.add(Tokens())
    for _ in range(DEEP):
        x = turned(builder, x)
    return x


def chain_of_copies(builder: Builder) -> Node:
    x, indices = builder.add(Tokens()), builder.add(Indices())
    steps = []
    for op, order in ((BinaryOp.LESS, Preference.LAST), (BinaryOp.GREATER, Preference.FIRST)):
        beside = builder.add(Select(Comparison(op)), [indices, indices])
        steps.append(builder.add(Choose(order, None, Otherwise.NONE), [beside]))
    for k in range(DEEP // 2):  # to the right and back
        x = builder.add(Aggregate("a"), [steps[k % 2], x])
    return x


def chain_of_selectors(builder: Builder) -> Node:
    x, indices = builder.add(Tokens()), builder.add(Indices())
    selector = builder.add(Select(Comparison(BinaryOp.EQUAL)), [x, x])
    before = builder.add(Select(Comparison(BinaryOp.LESS)), [indices, indices])
    for k in range(DEEP):
        op, operands = (
            (Not(), [selector]) if k % 2 else ((And(), Or())[k % 4 // 2], [selector, before])
        )
        selector = builder.add(op, operands)
    return builder.add(SelectorWidth(), [selector])


@pytest.mark.parametrize("make", [chain_of_tables, chain_of_copies, chain_of_selectors])
def test_chains_may_be_longer_than_the_stack_is_deep(make: Callable[[Builder], Node]) -> None:
    builder = builder_of()
    proved(builder, make(builder))
