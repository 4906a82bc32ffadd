"""Programs of many nodes, deep ones and such as share a lot: compiled soon, and exact."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

import tpir
from tpir.backends.transformer.plan import Plan
from tpir.backends.transformer.planner import Planner
from tpir.equiv.verdict import Answer
from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, Literal
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
from tpir.semantics.interpreter import run_many

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


def chain_of_counts(builder: Builder, steps: int) -> Node:
    """Each head counts by what the one before counted."""
    x = builder.add(Tokens())
    for _ in range(steps):
        same = builder.add(Select(Comparison(BinaryOp.EQUAL)), [x, x])
        x = mixed(builder, builder.add(SelectorWidth(), [same]), x)
    return x


def mixed(builder: Builder, left: Node, right: Node) -> Node:
    """The sum of the places of both values, modulo 3: either can be told from it and the other."""
    domains = [values_of(node.type) or () for node in (left, right)]
    places = product(*(range(len(domain)) for domain in domains))
    table = Table(tuple(domains), tuple("abc"[(i + j) % 3] for i, j in places))
    return builder.add(Map(table), [left, right])


def test_one_plan_finds_many_counts_to_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    plans, run = [], Planner.run

    def counted(planner: Planner) -> Plan:
        plan = run(planner)
        plans.append(len(planner.wanted))
        return plan

    monkeypatch.setattr(Planner, "run", counted)
    builder = builder_of()
    proved(builder, chain_of_counts(builder, 60))
    assert sum(plans) > 20  # one after the other, it would be as many plans
    assert len(plans) < 10


def twice(builder: Builder, node: Node) -> Node:
    """A table of a node and itself, which is no sum of its arguments: the next value."""
    domain = values_of(node.type) or ()
    after = dict(zip(domain, (*domain[1:], domain[0]), strict=True))
    both = Table.tabulate([domain, domain], lambda a, b: after[a] if a == b else domain[0])
    return builder.add(Map(both), [node, node])


def test_what_would_be_a_tree_of_two_to_the_sixtieth() -> None:
    builder = builder_of()
    x = mixed(builder, builder.add(Tokens()), builder.add(Indices()))
    for k in range(60):
        if k % 10 == 5:
            same = builder.add(Select(Comparison(BinaryOp.EQUAL)), [x, x])
            x = mixed(builder, builder.add(SelectorWidth(), [same]), x)
        x = twice(builder, x)
    program = builder.build({"out": x})
    tree: dict[Node, int] = {}
    for node in program.live:
        tree[node] = 1 + sum(tree[operand] for operand in node.operands)
    assert tree[x] > 2**60
    inputs = list(product("abc", repeat=4))
    outputs = {outcome.values["out"] for outcome in run_many(program, inputs) if outcome.values}
    assert len(outputs) > 20  # the program says a lot about its input
    proved(builder, x)


def test_what_follows_a_mean_may_be_long() -> None:
    """A mean is never exact, and each table after it would be off by more."""
    builder = builder_of()
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    same = builder.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, tokens])
    mean = builder.add(Aggregate(0), [same, indices])
    x = builder.add(Map(Binary(BinaryOp.LESS, Argument(0), Literal(1))), [mean])
    for k in range(40):
        x = twice(builder, mixed(builder, x, tokens))
        if k % 10 == 5:
            same = builder.add(Select(Comparison(BinaryOp.EQUAL)), [x, x])
            mean = builder.add(Aggregate(0), [same, indices])
            less = builder.add(
                Map(Binary(BinaryOp.LESS, Argument(0), Argument(1))), [mean, indices]
            )
            x = mixed(builder, less, x)
    proved(builder, x)


@pytest.mark.parametrize("gate", [0, 1])
def test_heads_may_go_by_what_is_made_of_means(gate: int) -> None:
    """Scores must hardly be off; once a line is made firm, once boxes."""
    builder = builder_of(context=6)
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    same = builder.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, tokens])
    mean = builder.add(Aggregate(0), [same, indices])
    less = builder.add(Map(Binary(BinaryOp.LESS, Argument(0), Literal(2))), [mean])
    key = twice(builder, mixed(builder, less, tokens)) if gate else less
    alike = builder.add(Select(Comparison(BinaryOp.EQUAL)), [key, key])
    other = builder.add(Not(), [builder.add(Or(), [alike, same])])
    again = builder.add(Aggregate(0), [other, indices])
    proved(
        builder, builder.add(Map(Binary(BinaryOp.LESS, Argument(0), Argument(1))), [again, mean])
    )
