"""Equality of programs: isomorphism, whatever the names and the order of nodes."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tests.strategies import programs
from tpir.errors import TpirError
from tpir.ir.builder import Builder, rebuild
from tpir.ir.functions import Table, TableWeights
from tpir.ir.ops import Classify, Indices, Map, Tokens
from tpir.ir.program import Header, Node, Program


def shuffled(program: Program, seed: int) -> Program:
    """The same graph with other names and another topological order."""
    rng = random.Random(seed)
    waiting, order = list(program.nodes), []
    while waiting:
        ready = [n for n in waiting if all(o in order for o in n.operands)]
        node = rng.choice(ready)
        order.append(node)
        waiting.remove(node)
    builder = Builder(replace(program.header, name="other"))
    new: dict[Node, Node] = {}
    for k, node in enumerate(order):
        new[node] = builder.add(node.op, [new[o] for o in node.operands], name=f"v{k}")
    return builder.build({name: new[node] for name, node in program.outputs.items()})


@settings(max_examples=PROGRAMS // 2)
@given(programs(), st.integers(0, 1000))
def test_names_and_order_do_not_count(program: Program, seed: int) -> None:
    other = shuffled(program, seed)
    assert other == program
    assert other.fingerprint == program.fingerprint
    assert hash(other) == hash(program)


@settings(max_examples=PROGRAMS // 2)
@given(programs(), st.integers(0, 10**6))
def test_one_changed_row_counts(program: Program, seed: int) -> None:
    tables = [n for n in program.live if isinstance(n.op, Map) and isinstance(n.op.function, Table)]
    if not tables:
        return
    target = tables[seed % len(tables)]
    table = target.op.function  # type: ignore[union-attr]
    row = seed % len(table.results)  # type: ignore[union-attr]
    results = (*table.results[:row], "changed!", *table.results[row + 1 :])  # type: ignore[union-attr]

    def change(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node:
        if node is target:
            return builder.add(Map(Table(table.domains, results)), operands)  # type: ignore[union-attr]
        return builder.copy(node, operands)

    try:
        other = rebuild(program, change)
    except TpirError:
        return  # the word does not fit where the value is used
    assert other != program
    assert other.fingerprint != program.fingerprint


def readout(first: float, second: float, *, swap: bool, twice: bool = False) -> Program:
    builder = Builder(Header(("a", "b"), 2))
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    again = builder.add(Tokens()) if twice else tokens
    features = [
        (tokens, TableWeights(("a", "b"), ((first,), (0.0,)))),
        (indices, TableWeights((0, 1), ((second,), (0.0,)))),
        (again, TableWeights(("a", "b"), ((first,), (0.0,)))),
    ]
    if swap:
        features.reverse()
    op = Classify(("A",), (0.0,), tuple(w for _, w in features))
    return builder.build({"out": builder.add(op, [node for node, _ in features])})


def test_the_features_of_a_readout_have_no_order() -> None:
    assert readout(1.0, 2.0, swap=False) == readout(1.0, 2.0, swap=True)
    assert readout(1.0, 2.0, swap=False) != readout(2.0, 1.0, swap=False)


def test_one_node_used_twice_is_not_two_nodes() -> None:
    assert readout(1.0, 2.0, swap=False) != readout(1.0, 2.0, swap=False, twice=True)
    assert readout(1.0, 2.0, swap=False, twice=True) == readout(1.0, 2.0, swap=True, twice=True)


def constant(value: object) -> Program:
    builder = Builder(Header(("a",), 2))
    return builder.build({"out": builder.add(Map(Table((), (value,))))})  # type: ignore[arg-type]


def test_values_are_told_apart_by_type() -> None:
    programs = [constant(v) for v in (1, True, 1.0, "1", 0, False, 0.0)]
    assert len(set(programs)) == len(programs)
    assert constant(0.0) == constant(-0.0)


def test_header_and_output_names_count_but_the_name_does_not() -> None:
    program = constant(1)
    (node,) = program.nodes
    for change in ({"context": 3}, {"causal": True}, {"labels": ("A",)}, {"accepts": '"a"'}):
        header = replace(program.header, **change)
        assert Program(header, program.nodes, program.outputs) != program
    assert Program(replace(program.header, name="x"), program.nodes, program.outputs) == program
    assert Program(program.header, program.nodes, {"y": node}) != program
