"""Programs with a fault: one row of one table changed."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from tpir.ir.builder import Builder
from tpir.ir.functions import Table
from tpir.ir.ops import Map
from tpir.ir.program import Node, Program
from tpir.ir.values import Value, value_key
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.program_space import space_of


def with_op(program: Program, node: Node, function: Table) -> Program:
    """The program with another table at one node."""
    builder = Builder(program.header)
    new: dict[Node, Node] = {}
    for old in program.nodes:
        op = Map(function) if old is node else old.op
        new[old] = builder.add(op, [new[o] for o in old.operands], name=old.name)
    return builder.build({name: new[old] for name, old in program.outputs.items()})


def tables_of(program: Program) -> list[Node]:
    """The live tables that have more than one result."""
    return [
        node
        for node in program.live
        if isinstance(node.op, Map)
        and isinstance(node.op.function, Table)
        and len(set(map(value_key, node.op.function.results))) > 1
    ]


def reached_rows(program: Program, node: Node, samples: int, seed: int) -> set[int]:
    """Rows of a table that drawn inputs reach."""
    interpreter, found = Interpreter(program), set[int]()
    for codes in space_of(program).sample(samples, np.random.default_rng(seed), by="length"):
        states, _ = interpreter.states(codes[:, None])
        row = np.zeros((len(codes), 1), dtype=np.int64)
        assert isinstance(node.op, Map) and isinstance(node.op.function, Table)
        for operand, domain in zip(node.operands, node.op.function.domains, strict=True):
            column = states[operand]
            assert isinstance(column, Column)
            row = row * len(domain) + column.broadcast(1).data.astype(np.int64)
        found.update(row.ravel().tolist())
    return found


def mutated(program: Program, node: Node, row: int, rng: random.Random) -> Program:
    """The program with another result in one row of a table: one that the table has elsewhere."""
    assert isinstance(node.op, Map) and isinstance(node.op.function, Table)
    table = node.op.function
    others = {
        value_key(v): v for v in table.results if value_key(v) != value_key(table.results[row])
    }
    results: list[Value] = list(table.results)
    results[row] = rng.choice(list(others.values()))
    return with_op(program, node, replace(table, results=tuple(results)))
