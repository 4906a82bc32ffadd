"""Traces hold what the interpreter computes, at every position."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.conftest import PROGRAMS
from tests.strategies import programs
from tests.view.test_graph import small_program
from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, Literal
from tpir.ir.ops import Indices, Map
from tpir.ir.program import Header, Program
from tpir.ir.values import show_value
from tpir.semantics.interpreter import run_many
from tpir.semantics.program_space import space_of
from tpir.semantics.strategies import inputs
from tpir.view.trace import trace_of


def test_trace_of_a_small_program() -> None:
    trace = trace_of(small_program(), ("b", "a", "b"))
    rows = {row.name: row for row in trace.rows}
    assert rows["tokens"].cells == ('"b"', '"a"', '"b"')
    assert rows["indices"].cells == ("0", "1", "2")
    assert rows["select"].cells == ("@1", "@0 @2", "@0 @2")
    assert rows["choose"].cells == ("@1", "@0", "@0")
    assert rows["head"].cells == ('"a"', '"b"', '"b"')
    assert rows["count"].cells == ("2", "1", "2")
    assert rows["labels"].cells == ('"x"', '"y"', '"y"')
    assert rows["labels"].outputs == ("output",)
    assert rows["choose"].selector
    assert not rows["count"].selector


def test_table_has_all_rows_and_can_leave_out_selectors() -> None:
    trace = trace_of(small_program(), ("b", "a", "b"))
    console = Console(file=io.StringIO(), width=200)
    console.print(trace.table())
    console.print(trace.table(selectors=False))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("@0 @2") == 4
    assert text.count("labels") == 2
    page = ET.fromstring(trace.html())
    assert len(page.findall("tr")) == 1 + len(trace.rows)


def test_a_selector_is_a_matrix() -> None:
    rows = {row.name: row for row in trace_of(small_program(), ("b", "a", "b")).rows}
    assert rows["select"].matrix(["b", "a", "b"]) == [
        "    b a b",
        "b |   1",
        "a | 1   1",
        "b | 1   1",
    ]
    assert rows["choose"].matrix(["b", "aaa", '" "']) == [
        '        b aaa " "',
        "  b |       1",
        "aaa |   1",
        '" " |   1',
    ]


def test_what_fails_and_what_follows_is_not_shown() -> None:
    b = Builder(Header(("a",), 3))
    indices = b.add(Indices())
    bad = b.add(Map(Binary(BinaryOp.DIVIDE, Literal(1), Argument(0))), [indices], name="bad")
    more = b.add(Map(Binary(BinaryOp.ADD, Literal(1), Argument(0))), [bad], name="more")
    trace = trace_of(b.build({"output": more}), ("a", "a"))
    assert [row.name for row in trace.rows] == ["indices"]


def test_failure_is_said() -> None:
    b = Builder(Header(("a",), 3))
    indices = b.add(Indices())
    bad = b.add(Map(Binary(BinaryOp.DIVIDE, Literal(1), Argument(0))), [indices])
    trace = trace_of(b.build({"output": bad}), ("a", "a"))
    assert trace.fails == "the program fails on this input: division by zero"
    assert "division by zero" in trace.html()


@settings(max_examples=PROGRAMS // 10)
@given(st.data(), programs())
def test_outputs_are_those_of_a_run(data: st.DataObject, program: Program) -> None:
    tokens = data.draw(inputs(space_of(program)))
    trace = trace_of(program, tokens)
    outcome = run_many(program, [tokens])[0]
    assert (outcome.values is None) == (trace.failure is not None)
    if outcome.values is not None:
        rows = {output: row.cells for row in trace.rows for output in row.outputs}
        assert rows == {n: tuple(map(show_value, v)) for n, v in outcome.values.items()}
