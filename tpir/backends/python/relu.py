"""Relu functions: each distinct row of arguments of one input is computed once, unit by unit."""

from __future__ import annotations

from tpir.backends.python.layout import Comprehension, Display
from tpir.backends.python.numbers import weight_rows
from tpir.backends.python.writer import Writer
from tpir.ir.functions import ReluFunction
from tpir.ir.program import Node


def write_relu(writer: Writer, node: Node, function: ReluFunction) -> None:
    """The statements that compute a relu function."""
    inputs = ["x", "y", "z"] if function.arity <= 3 else []
    inputs = inputs or [f"x{k + 1}" for k in range(function.arity)]
    inputs = inputs[: function.arity]
    columns = [writer.columns[operand] for operand in node.operands]
    name = _function(writer, node, function, inputs)
    if not columns:
        writer.columns[node] = writer.assign(node.name, f"[{name}()] * n")
    elif len(columns) == 1:
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
    outputs = range(len(function.c))
    units = [
        (bias, *function.v[h], *(row[h] for row in function.w))
        for h, bias in enumerate(function.b)
    ]
    sums = ", ".join(f"s{k}" for k in outputs)
    weights = ", ".join(f"w{k}" for k in outputs)
    factors = [f"v{k}" for k in range(len(inputs))]
    bias, start = writer.constant(f"{node.name}_bias", weight_rows(writer, [function.c])[0]), ""
    rows = writer.constant(f"{node.name}_units", Display("()", tuple(weight_rows(writer, units))))
    name = writer.namer.name(f"compute_{node.name}")
    hidden = "".join(f" + {v} * {x}" for v, x in zip(factors, inputs, strict=True))
    start = f"{sums} = {bias}" if len(outputs) > 1 else f"(s0,) = {bias}"
    lines = [
        f"def {name}({', '.join(inputs)}):",
        f"    {start}",
        f"    for {', '.join(['b', *factors])}, {weights} in {rows}:",
        f"        h = b{hidden}",
        "        if h > 0.0:",
        *(f"            s{k} += h * w{k}" for k in outputs),
        f"    sums = ({sums}{',' if len(outputs) == 1 else ''})",
        "    return sums.index(max(sums))",
    ]
    writer.functions.append("\n".join(lines))
    return name
