"""Differences: none between equal programs, and exactly the planted one between others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings

from tests.conftest import PROGRAMS
from tests.strategies import programs
from tests.view.test_graph import small_program
from tpir.ir.builder import Builder, rebuild
from tpir.ir.functions import Relation, Table
from tpir.ir.ops import Choose, Classify, Indices, Map, Op, Preference, Select, Tokens
from tpir.ir.program import Header, Node, Program
from tpir.ir.values import same_value
from tpir.view.diff import difference


def edited(program: Program, name: str, op: object) -> Program:
    """The program with another op in one node."""

    def change(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node:
        return builder.copy(replace(node, op=op) if node.name == name else node, operands)

    return rebuild(program, change)


def with_another_row(op: Op) -> Table | None:
    """The table of a map with another first result; None if that would change the type."""
    if not isinstance(op, Map) or not isinstance(op.function, Table):
        return None
    first, *rest = op.function.results
    others = [r for r in rest if not same_value(r, first)]
    if not others or not any(same_value(r, first) for r in rest):
        return None
    return Table(op.function.domains, (others[0], *rest))


def renamed(program: Program) -> Program:
    return rebuild(
        program, lambda b, node, operands: b.copy(replace(node, name=f"x_{node.name}"), operands)
    )


@settings(max_examples=PROGRAMS // 10)
@given(programs())
def test_renamed_program_is_equal(program: Program) -> None:
    found = difference(program, renamed(program))
    assert found.equal
    assert str(found) == f"equal ({len(program.live)} nodes)"


@settings(
    max_examples=PROGRAMS // 40,
    # Few programs have a table with a result that stands in two rows and another beside it.
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(programs())
def test_one_edited_row_is_the_only_difference(program: Program) -> None:
    tables = {n: new for n in program.live if (new := with_another_row(n.op)) is not None}
    assume(tables)
    node, new = next(iter(tables.items()))
    changed = edited(program, node.name, Map(new))
    for left, right in ((program, changed), (changed, program)):
        found = difference(left, right)
        assert not found.equal
        assert [change.left for change in found.changed] == [node.name]
        assert len(found.changed[0].lines) == 1
        assert not found.only_left
        assert not found.only_right


@pytest.mark.parametrize(
    ("name", "op", "line"),
    [
        (
            "select",
            Select(Relation((0, 1, 2), (("a",), ("a",), ("b",)))),
            'query 1: "b" → "a"',
        ),
        ("choose", Choose(Preference.LAST), "order: closest → last"),
    ],
)
def test_change_is_named(name: str, op: object, line: str) -> None:
    program = small_program()
    found = difference(program, edited(program, name, op))
    assert [(change.left, change.lines) for change in found.changed] == [(name, (line,))]
    assert f"{name}\n  {line}\n" in str(found)


def test_changed_weight_is_named() -> None:
    program = small_program()
    op = program.by_name["labels"].op
    assert isinstance(op, Classify)
    found = difference(program, edited(program, "labels", replace(op, bias=(0.0, 1.5))))
    assert found.changed[0].lines == ('bias of label "y": 0.0 → 1.5',)


def test_header_and_unmatched_nodes() -> None:
    def make(context: int, op: Tokens | Indices) -> Program:
        b = Builder(Header(("a",), context))
        return b.build({"output": b.add(op)})

    found = difference(make(3, Tokens()), make(4, Indices()))
    assert found.header == ("context: 3 → 4", "output output: tokens → indices")
    assert found.only_left == ('tokens = tokens() : {"a"}',)
    assert found.only_right == ("indices = indices() : Integer(0..3)",)
