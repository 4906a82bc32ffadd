"""The values that nodes can have, finite also where types only say Real: means are fractions."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np

from tpir.ir.expressions import Expression, Failure, evaluate
from tpir.ir.functions import Domain, ReluFunction, Table
from tpir.ir.ops import Aggregate, Map
from tpir.ir.program import Node
from tpir.ir.types import Real, size_of, values_of
from tpir.ir.values import Key, Value, distinct, is_number, sorted_values, value_key
from tpir.semantics.maps import ReluKernel

MAX_ROWS = 2**17
"""The largest table that is looked at row by row."""

MAX_RELU_ROWS = 2**19
"""The same for functions of learned weights, which arrays compute."""

MAX_VALUES = 20_000
"""The most values of one variable."""


class Domains:
    """The values of nodes, each found once. None where there are too many to list."""

    def __init__(self, context: int, is_mean: Callable[[Node], bool]) -> None:
        self._context = context
        self._is_mean = is_mean
        self._known: dict[Node, Domain | None] = {}
        self._tables: dict[Node, Table | None] = {}

    def __call__(self, node: Node) -> Domain | None:
        """The values of a node, numbers in order where all are numbers."""
        if node not in self._known:
            self._known[node] = self._find(node)
        return self._known[node]

    def restrict(self, node: Node, values: Domain) -> None:
        """State that a node has no other values."""
        found = self(node)
        if found is not None:
            listed = {value_key(v) for v in values}
            values = tuple(v for v in found if value_key(v) in listed)
        self._known[node] = values

    def table(self, node: Node) -> Table | None:
        """A map as a table over the values of its operands; None where that is too large.

        Rows that fail have some value. Raises Failure where every row fails.
        """
        if node not in self._tables:
            self._tables[node] = self._tabulate(node)
        return self._tables[node]

    def _find(self, node: Node) -> Domain | None:
        match node.op:
            case Map():
                table = self.table(node)
                if table is not None:
                    return _ordered(table.results)
            case Aggregate(default) if self._is_mean(node):
                return self._means(node.operands[1], default)
            case Aggregate(default):
                values = self(node.operands[1])
                if values is None or default is None:
                    return values
                return _ordered((*values, default))
        size = size_of(node.type)
        return values_of(node.type) if size is not None and size <= MAX_VALUES else None

    def _tabulate(self, node: Node) -> Table | None:
        assert isinstance(node.op, Map)
        function = node.op.function
        domains = [self(operand) for operand in node.operands]
        if any(d is None for d in domains):
            return None
        known = tuple(d for d in domains if d is not None)
        rows = math.prod(map(len, known))
        if isinstance(function, ReluFunction):
            if rows > MAX_RELU_ROWS:
                return None
            return Table(known, _relu_results(function, known))
        if rows > MAX_ROWS:
            return None
        if isinstance(function, Table):
            if [*map(_keys, function.domains)] == [*map(_keys, known)]:
                return function
            return Table.tabulate(known, function)
        results = [_evaluated(function, row) for row in product(*known)]
        kept = [r for r in results if not isinstance(r, Failure)]
        if not kept:
            raise next(r for r in results if isinstance(r, Failure))
        # A row that fails is one whose value nobody may ask for: it takes its neighbour's.
        last = kept[0]
        for k, result in enumerate(results):
            last = results[k] = last if isinstance(result, Failure) else result
        return Table(known, tuple(r for r in results if not isinstance(r, Failure)))

    def _means(self, values: Node, default: Value | None) -> Domain | None:
        """Every sum of n whole numbers, divided by n."""
        found = self(values)
        if found is None or not all(is_number(v) and v == int(v) for v in found):
            return None
        numbers = [int(v) for v in found]
        lo, hi = min(numbers), max(numbers)
        if (hi - lo) * self._context**2 > 8 * MAX_VALUES:
            return None
        means = {s / n for n in range(1, self._context + 1) for s in range(lo * n, hi * n + 1)}
        if default is not None and not isinstance(default, str):
            means.add(default)
        return tuple(sorted(means)) if len(means) <= MAX_VALUES else None


def _keys(domain: Domain) -> list[Key]:
    """What tells its values apart: 1, 1.0 and True are equal to Python."""
    return [value_key(v) for v in domain]


def _relu_results(function: ReluFunction, domains: tuple[Domain, ...]) -> tuple[int, ...]:
    """The function for every row of its arguments, as the interpreter computes it."""
    axes = [np.array([float(v) for v in domain]) for domain in domains]
    columns = [grid.reshape(-1) for grid in np.meshgrid(*axes, indexing="ij")]
    best: list[int] = ReluKernel(function, Real()).argmax(columns).tolist()
    return tuple(best)


def _evaluated(expression: Expression, row: tuple[Value, ...]) -> Value | Failure:
    try:
        return evaluate(expression, row)
    except Failure as failure:
        return failure


def _ordered(values: tuple[Value, ...]) -> Domain:
    return sorted_values(distinct(values))
