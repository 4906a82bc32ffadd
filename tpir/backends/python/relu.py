"""Relu functions: tables over ints where those are not too large, else computed unit by unit.

What is computed is computed once for each distinct row of arguments of one input.
"""

from __future__ import annotations

import math

import numpy as np

from tpir.backends.python.layout import Comprehension, assign, display
from tpir.backends.python.numbers import weight_rows
from tpir.backends.python.writer import Writer
from tpir.ir.functions import ReluFunction, Table
from tpir.ir.ops import Map
from tpir.ir.program import Node
from tpir.ir.types import Integer
from tpir.semantics.columns import Column
from tpir.semantics.maps import map_kernel

UNROLLED = 16
"""Up to this many sums are variables of their own, which is faster."""

MOST_ROWS = 2**19
"""Up to this many rows of ints, a relu function of many units is written as a table of runs."""

FEW_UNITS = 16
"""With so few hidden units the formula is shorter than its table."""


def tabulated(node: Node) -> Table | None:
    """The table of a relu function over ints, as the interpreter computes it; None if too large."""
    assert isinstance(node.op, Map) and isinstance(node.op.function, ReluFunction)
    types = [operand.type for operand in node.operands if isinstance(operand.type, Integer)]
    sizes = tuple(t.hi - t.lo + 1 for t in types)
    rows = math.prod(sizes)
    few = len(node.op.function.b) <= FEW_UNITS
    if few or len(types) < len(node.operands) or rows > MOST_ROWS:
        return None
    codes = np.unravel_index(np.arange(rows), sizes)
    columns = [Column(t, code[:, None]) for t, code in zip(types, codes, strict=True)]
    result, _ = map_kernel(node).run(columns, rows)
    domains = tuple(tuple(range(t.lo, t.hi + 1)) for t in types)
    return Table(domains, tuple(result.decode(1)[0]))


def write_relu(writer: Writer, node: Node, function: ReluFunction) -> None:
    """The statements that compute a relu function."""
    inputs = ["x", "y", "z"] if function.arity <= 3 else []
    inputs = inputs or [f"x{k + 1}" for k in range(function.arity)]
    inputs = inputs[: function.arity]
    columns = [writer.columns[operand] for operand in node.operands]
    name = _function(writer, node, function, inputs)
    if len(columns) == 1:
        table = Comprehension("{}", f"x: {name}(x)", f"for x in set({columns[0]})")
        known = writer.assign(f"known_{node.name}", table)
        each = Comprehension("[]", f"{known}[x]", f"for x in {columns[0]}")
        writer.columns[node] = writer.assign(node.name, each)
    else:
        rows = f"zip({', '.join(columns)})"
        table = Comprehension("{}", f"row: {name}(*row)", f"for row in set({rows})")
        known = writer.assign(f"known_{node.name}", table)
        each = Comprehension("[]", f"{known}[row]", f"for row in {rows}")
        writer.columns[node] = writer.assign(node.name, each)


def _function(writer: Writer, node: Node, function: ReluFunction, inputs: list[str]) -> str:
    """A function of the module: one unit after the other, and only those that are active."""
    factors = [f"v{k}" for k in range(len(inputs))]
    before = [(bias, *row) for bias, row in zip(function.b, function.v, strict=True)]
    after = [tuple(row[h] for row in function.w) for h in range(len(before))]
    units = writer.constant(f"{node.name}_units", display("()", weight_rows(writer, before)))
    outputs = writer.constant(f"{node.name}_outputs", display("()", weight_rows(writer, after)))
    start = writer.constant(f"{node.name}_start", weight_rows(writer, [function.c])[0])
    name = writer.namer.name(f"compute_{node.name}")
    hidden = " + ".join(["b", *(f"{v} * {x}" for v, x in zip(factors, inputs, strict=True))])
    clause = f"for {', '.join(['b', *factors])} in {units}"
    lines = [
        f"def {name}({', '.join(inputs)}):",
        *assign("hidden", Comprehension("[]", hidden, clause), indent=1),
        *_sums(len(function.c), start, outputs),
        "    return sums.index(max(sums))",
    ]
    writer.functions.append("\n".join(lines))
    return name


def _sums(count: int, start: str, outputs: str) -> list[str]:
    """Statements that add up what the active units give; unrolled, unless that is too wide."""
    loop = [f"    for h, row in zip(hidden, {outputs}):", "        if h > 0.0:"]
    if not 2 <= count <= UNROLLED:
        add = "            sums = [s + h * w for s, w in zip(sums, row)]"
        return [f"    sums = {start}", *loop, add]
    sums = ", ".join(f"s{k}" for k in range(count))
    weights = ", ".join(f"w{k}" for k in range(count))
    adds = [f"            s{k} += h * w{k}" for k in range(count)]
    unpack = f"            {weights} = row"
    return [f"    {sums} = {start}", *loop, unpack, *adds, f"    sums = ({sums})"]
