"""``map`` nodes: tables, expressions and relu functions applied at each position."""

from __future__ import annotations

from collections.abc import Sequence

from tpir.backends.python.expressions import Scalars
from tpir.backends.python.layout import WIDTH, Comprehension, lay_out, literal
from tpir.backends.python.normal import constant_of
from tpir.backends.python.relu import tabulated, write_relu
from tpir.backends.python.tables import asked, table_rows
from tpir.backends.python.writer import Writer
from tpir.ir.expressions import Expression
from tpir.ir.functions import ReluFunction, Table
from tpir.ir.ops import Map
from tpir.ir.program import Node


def write_map(writer: Writer, node: Node) -> None:
    """The statement that computes a map."""
    assert isinstance(node.op, Map)
    function = node.op.function
    constant = constant_of(node)
    if constant is not None:
        writer.columns[node] = writer.assign_spare(node.name, f"[{literal(constant)}] * n")
    elif isinstance(function, Table):
        _write_table(writer, node, function)
    elif isinstance(function, ReluFunction):
        table = tabulated(node)
        if table is not None:
            _write_table(writer, node, table)
        else:
            write_relu(writer, node, function)
    else:
        _write_expression(writer, node, function)


def over(writer: Writer, operands: Sequence[Node]) -> tuple[list[str], str]:
    """Variables for the elements of the operands, and the clause that goes through them."""
    distinct = list(dict.fromkeys(operands))
    names = [f"x{k + 1}" for k in range(len(distinct))] if len(distinct) > 3 else ["x", "y", "z"]
    names = names[: len(distinct)]
    columns = [writer.columns[node] for node in distinct]
    named = dict(zip(distinct, names, strict=True))
    if len(columns) == 1:
        clause = f"for {names[0]} in {columns[0]}"
    else:
        clause = f"for {', '.join(names)} in zip({', '.join(columns)})"
    return [named[operand] for operand in operands], clause


def _write_table(writer: Writer, node: Node, table: Table) -> None:
    names, clause = over(writer, node.operands)
    name = writer.constant(node.name, table_rows(writer, table))
    keys = [asked(writer, x, d) for x, d in zip(names, table.domains, strict=True)]
    leading = f"[{', '.join(keys[:-1])}]" if table.arity > 1 else ""
    element = f"{name}{leading}[{keys[-1]}]"
    writer.columns[node] = writer.assign(node.name, Comprehension("[]", element, clause))


def _write_expression(writer: Writer, node: Node, expression: Expression) -> None:
    if node.operands:
        names, clause = over(writer, node.operands)
    else:
        names, clause = [], "for _ in range(n)"
    types = tuple(operand.type for operand in node.operands)
    scalars = Scalars(names, types, writer.use, lambda code: writer.constant(node.name, code))
    element = scalars.inline(expression)
    whole = Comprehension("[]", element, clause)
    if max(map(len, lay_out(whole, indent=1, prefix=f"{node.name} = "))) > WIDTH - 8:
        function = writer.namer.name(f"compute_{node.name}")
        arguments = ", ".join(dict.fromkeys(names))
        lines = [f"def {function}({arguments}):", *scalars.function_body(expression)]
        writer.functions.append("\n".join(lines))
        whole = Comprehension("[]", f"{function}({arguments})", clause)
    writer.columns[node] = writer.assign(node.name, whole)
