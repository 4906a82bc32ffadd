"""The readout: rows of weights added up, then the first label with the highest sum."""

from __future__ import annotations

from collections.abc import Sequence

from tpir.backends.python.layout import Call, Code, Comprehension, Display, values_tuple
from tpir.backends.python.maps import asked, dictionary
from tpir.backends.python.numbers import sums_are_exact, weight_rows
from tpir.backends.python.writer import Writer
from tpir.ir.functions import FeatureWeights, NumberWeights, TableWeights
from tpir.ir.ops import Classify, ClassifyPooled, Pool
from tpir.ir.program import Node
from tpir.ir.types import Integer, is_integral, number_bounds

MOST_MULTIPLES = 256
"""Up to this many values of a number, its products with the weights are made once, beforehand."""


def write_readout(writer: Writer, node: Node) -> None:
    """The statements that compute a label for each position, or one for all."""
    op = node.op
    assert isinstance(op, Classify | ClassifyPooled)
    labels = "LABELS"
    if op.labels != writer.program.labels:
        labels = writer.constant(f"{node.name}_labels", values_tuple(op.labels))
    bias = writer.constant(f"{node.name}_bias", weight_rows(writer, [op.bias])[0])
    first = isinstance(op, ClassifyPooled) and op.over is Pool.FIRST
    features: list[Code] = [f"[{bias}] * n"]
    features += [
        _feature(writer, node, weights, operand, first)
        for weights, operand in zip(op.weights, node.operands, strict=True)
    ]
    exact = is_exact(node)
    total = Call("map", ("sum", "zip(*rows)")) if exact else Call(writer.use("add_up"), ("rows",))
    if not isinstance(op, ClassifyPooled):
        element = Call(writer.use("winner"), (labels, total))
        columns = writer.assign(f"{node.name}_features", Call("zip", tuple(features)))
        code: Code = Comprehension("[]", element, f"for rows in {columns}")
    else:
        columns = writer.assign(f"{node.name}_features", Call("zip", tuple(features)))
        if first:
            columns = f"[next({columns})]"
        sums = writer.assign(
            f"{node.name}_sums",
            Comprehension("[]", Call(writer.use("add_up"), ("rows",)), f"for rows in {columns}"),
        )
        pooled = Call(writer.use("add_up"), (sums,))
        code = Display("[]", (Call(writer.use("winner"), (labels, pooled)),))
    writer.columns[node] = writer.assign(node.name, code)


def is_exact(node: Node) -> bool:
    """Whether no sum of the readout rounds, so that their order does not matter."""
    op = node.op
    assert isinstance(op, Classify | ClassifyPooled)
    rows: list[tuple[Sequence[float], float]] = [(op.bias, 1)]
    for weights, operand in zip(op.weights, node.operands, strict=True):
        if isinstance(weights, TableWeights):
            rows.append(([w for row in weights.rows for w in row], 1))
        elif is_integral(operand.type):
            rows.append((weights.row, max(map(abs, number_bounds(operand.type) or (0,)))))
        else:
            return False
    return sums_are_exact(rows)


def _feature(
    writer: Writer, node: Node, weights: FeatureWeights, operand: Node, first: bool
) -> Code:
    """A row of weights for each position."""
    column = writer.columns[operand]
    wanted = f"{column}_weights"
    if isinstance(weights, TableWeights):
        rows = weight_rows(writer, weights.rows)
        table = writer.constant(wanted, dictionary(weights.domain, rows))
        x = asked(writer, "x", weights.domain)
        return Comprehension("[]", f"{table}[{x}]", f"for x in {column}")
    row = writer.constant(wanted, weight_rows(writer, [weights.row])[0])
    bounds = number_bounds(operand.type)
    return _multiples(writer, weights, operand, row, column, bounds)


def _multiples(
    writer: Writer,
    weights: NumberWeights,
    operand: Node,
    row: str,
    column: str,
    bounds: tuple[float, float] | None,
) -> Code:
    if isinstance(operand.type, Integer):
        lo, hi = operand.type.lo, operand.type.hi
        if hi - lo < MOST_MULTIPLES:
            product = f"tuple(x * w for w in {row})"
            table = writer.constant(
                f"{column}_multiples",
                Comprehension("{}", f"x: {product}", f"for x in range({lo}, {hi + 1})"),
            )
            return Comprehension("[]", f"{table}[x]", f"for x in {column}")
    return Comprehension("[]", f"[x * w for w in {row}]", f"for x in {column}")
