"""Counts that are read as one weighted sum: the sum of a number over the selected keys.

How many of the keys have an odd number, how many one whose second bit is set, and so on: their sum
with weights 1, 2, 4 … is the sum of the numbers. Such counts differ in one condition on the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from tpir.ir.functions import Relation
from tpir.ir.ops import AggregateSum, Always, And, Select, SelectorWidth
from tpir.ir.program import Node
from tpir.ir.types import values_of
from tpir.ir.values import Value, value_key
from tpir.lowering.transformer.numbers import Floats, whole_numbers
from tpir.lowering.transformer.stream import Read, Stream, Variable, map_values


def with_sums(stream: Stream, read: Read, *, alone: bool = False) -> Read:
    """The same read, with sums in place of the counts that make them.

    ``alone``: only of counts that nowhere are read together with something else.
    """
    counts = [v for v in read.rows if isinstance(v.node.op, SelectorWidth)]
    if alone:
        counts = _alone(read, counts)
    if len(counts) < 2:
        return read
    rows = {v: r.copy() if v in counts else r for v, r in read.rows.items()}
    base = read.base.copy()
    for column in range(len(read.base)):
        slopes = {v: s for v in counts if (s := _slope(v, rows[v][:, column], read, column))}
        if len(slopes) < 2:
            continue
        found = _sum_of(stream, list(slopes), list(slopes.values()))
        if found is None:
            continue
        variable, unit = found
        for count in slopes:
            rows[count][:, column] = 0.0
        assert variable.values is not None
        numbers = np.array([float(v) for v in variable.values])
        width = len(read.base)
        into = rows.setdefault(variable, np.zeros((len(numbers), width)))
        into[:, column] = (numbers - numbers[0]) * unit
        base[column] += numbers[0] * unit
    return Read(base, {v: r for v, r in rows.items() if r.any()}, read.noise)


def _alone(read: Read, counts: list[Variable]) -> list[Variable]:
    """The counts that each number that reads them reads as a multiple, and with no others."""
    found = list(counts)
    for column in range(len(read.base)):
        there = [v for v, rows in read.rows.items() if rows[:, column].any()]
        if not all(v in counts and _slope(v, read.rows[v][:, column], read, column) for v in there):
            found = [v for v in found if v not in there]
    return found


def _slope(variable: Variable, column: Floats, read: Read, place: int) -> float:
    """What each key adds, if all add the same; else 0."""
    slope = float(column[-1]) / (len(column) - 1)
    line = np.arange(len(column)) * slope
    return slope if np.abs(line - column).max() <= 2 * read.noise[place] else 0.0


def _sum_of(
    stream: Stream, counts: list[Variable], slopes: list[float]
) -> tuple[Variable, float] | None:
    """The sum of a number, and how much of it is read."""
    unit = min(map(abs, slopes))
    weights = whole_numbers(np.array(slopes) / unit, 1e-6)
    parts = [frozenset(_conditions(v.node.operands[0])) for v in counts]
    common = frozenset.intersection(*parts)
    extras = [part - common for part in parts]
    if weights is None or any(len(extra) > 1 for extra in extras):
        return None
    lone = [next(iter(extra), None) for extra in extras]
    keys = {s.operands[0] for s in lone if s is not None}
    source = stream.every.get(next(iter(keys))) if len(keys) == 1 else None
    if source is None or source.values is None or not source.typed:
        return None
    numbers = [0] * len(source.values)
    for selector, weight in zip(lone, weights, strict=True):
        row = _row(stream, selector)
        if selector is not None and row is None:
            return None
        for k, value in enumerate(source.values):
            numbers[k] += weight * (row is None or value_key(value) in row)
    return _variable(stream, counts, source, list(numbers), common), unit


def _variable(
    stream: Stream,
    counts: list[Variable],
    source: Variable,
    numbers: list[Value],
    common: frozenset[Node],
) -> Variable:
    builder, first = stream.builder, counts[0].node
    order = [n for n in builder.nodes if n in common]
    everything = Select(Always(True))
    indices = stream.indices.node
    selector = _both(stream, order) or builder.add(everything, [indices, indices], name="all")
    assert first.origin is not None
    values = map_values(builder, source, numbers, f"{first.name}_values", first.origin)
    name = f"{first.name}_sum"
    node = builder.add(AggregateSum(), [selector, values], name=name, origin=first.origin)
    domain = values_of(node.type)
    assert domain is not None
    return stream.every.setdefault(
        node, Variable(node, domain, np.zeros((len(domain), len(stream.base))))
    )


def _both(stream: Stream, selectors: Sequence[Node]) -> Node | None:
    if not selectors:
        return None
    add = stream.builder.add
    return reduce(lambda a, b: add(And(), [a, b], name="both", origin=a.origin), selectors)


def _conditions(selector: Node) -> list[Node]:
    if isinstance(selector.op, And):
        return [c for operand in selector.operands for c in _conditions(operand)]
    return [] if selector.op == Select(Always(True)) else [selector]


def _row(stream: Stream, selector: Node | None) -> set[object] | None:
    """The key values of a condition on the key alone; None if it is another."""
    if selector is None or not isinstance(selector.op, Select):
        return None
    predicate = selector.op.predicate
    if not isinstance(predicate, Relation) or selector.operands[1] is not stream.indices.node:
        return None
    rows = {tuple(map(value_key, row)) for row in predicate.rows}
    return set(rows.pop()) if len(rows) == 1 else None
