"""Programs with a fault: one row of one table changed."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

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


def reached_rows(program: Program, samples: int, seed: int) -> dict[Node, set[int]]:
    """For each of ``tables_of`` the rows that drawn inputs reach."""
    interpreter = Interpreter(program)
    tables = tables_of(program)
    found: dict[Node, set[int]] = {node: set() for node in tables}
    by_length: dict[int, list[NDArray[np.int64]]] = {}
    for codes in space_of(program).sample(samples, np.random.default_rng(seed), by="length"):
        by_length.setdefault(len(codes), []).append(codes)
    for batch in by_length.values():
        states, _ = interpreter.states(np.stack(batch, axis=1))
        for node in tables:
            row = np.zeros((1, 1), dtype=np.int64)
            assert isinstance(node.op, Map) and isinstance(node.op.function, Table)
            for operand, domain in zip(node.operands, node.op.function.domains, strict=True):
                column = states[operand]
                assert isinstance(column, Column)
                row = row * len(domain) + column.data.astype(np.int64)
            found[node].update(np.unique(row).tolist())
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
