"""The values that nodes can have, finite also where types only say Real: means are fractions."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np

from tpir.backends.transformer.tables import Codes, result_codes
from tpir.ir.expressions import Expression, Failure, evaluate
from tpir.ir.functions import Domain, ReluFunction, Table
from tpir.ir.ops import Aggregate, Always, Map, Select, SelectorWidth
from tpir.ir.program import Node
from tpir.ir.types import Integer, Real, Type, size_of, values_of
from tpir.ir.values import Key, Value, distinct, is_number, value_key
from tpir.semantics.columns import Column
from tpir.semantics.maps import ExpressionKernel, ReluKernel

MAX_ROWS = 2**17
"""The largest table that is looked at row by row."""

MAX_RELU_ROWS = 2**19
"""The same for functions of learned weights, which arrays compute."""

MAX_VALUES = 20_000
"""The most values of one variable."""


Root = tuple[Node | None, Codes]
"""The variable that a node is a function of, None for a constant; and the place of its value in its
domain for each value of the variable."""


class Domains:
    """The values of nodes, each found once. None where there are too many to list."""

    def __init__(self, context: int, is_mean: Callable[[Node], bool]) -> None:
        self._context = context
        self._is_mean = is_mean
        self._known: dict[Node, Domain | None] = {}
        self._tables: dict[Node, Table | None] = {}
        self._roots: dict[Node, Root | None] = {}
        self.restricted: dict[Node, Domain] = {}

    def __call__(self, node: Node) -> Domain | None:
        """The values of a node: of a map or a default in the order in which they appear.

        So equal weights come of programs that name their inner values differently.
        """
        if node not in self._known:
            self._known[node] = self._find(node)
        return self._known[node]

    def restrict(self, node: Node, values: Domain) -> None:
        """State that a node has no other values."""
        found = self(node)
        if found is not None:
            listed = {value_key(v) for v in values}
            values = tuple(v for v in found if value_key(v) in listed)
        self._known[node] = self.restricted[node] = values

    def table(self, node: Node) -> Table | None:
        """A map as a table over the values of its operands; None where that is too large.

        Rows that fail have some value. Raises Failure where every row fails.
        """
        if node not in self._tables:
            self._tables[node] = self._tabulate(node)
        return self._tables[node]

    def root(self, node: Node) -> Root | None:
        """The one variable that a node is a function of; None where its values are not listed."""
        chain = [node]  # no recursion: maps may follow each other a thousand times
        while chain[-1] not in self._roots and isinstance(chain[-1].op, Map):
            if len(chain[-1].operands) != 1:
                break
            chain.append(chain[-1].operands[0])
        for link in reversed(chain):
            if link not in self._roots:
                self._roots[link] = self._find_root(link)
        return self._roots[node]

    def _find_root(self, node: Node) -> Root | None:
        domain = self(node)
        if domain is None:
            return None
        itself = node, np.arange(len(domain), dtype=np.intp)
        if not isinstance(node.op, Map) or len(node.operands) > 1:
            return itself
        table = self.table(node)
        if table is None:
            return itself
        codes = result_codes(table, domain).reshape(-1)
        if not node.operands:
            return None, codes
        below = self._roots[node.operands[0]]
        return itself if below is None else (below[0], codes[below[1]])

    def _find(self, node: Node) -> Domain | None:
        match node.op:
            case Map():
                table = self.table(node)
                if table is not None:
                    return distinct(table.results)
            case Aggregate(default) if self._is_mean(node):
                return self._means(node.operands[1], default)
            case Aggregate(default):
                values = self(node.operands[1])
                if values is None or default is None:
                    return values
                return distinct((*values, default))
            case SelectorWidth() if node.operands[0].op == Select(Always(True)):
                return tuple(range(1, self._context + 1))  # no input is empty
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
        whole = _whole_results(function, node.type, known)
        if whole is not None:
            return Table(known, whole)
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


def _whole_results(
    function: Expression, result: Type, domains: tuple[Domain, ...]
) -> tuple[int, ...] | None:
    """An expression of whole numbers for every row, on the interpreter's arrays.

    None for other arguments and results, and where it fails somewhere.
    """
    whole = all(type(value) is int for domain in domains for value in domain)
    if not domains or not whole or not isinstance(result, Integer):
        return None
    axes = [np.array(domain, dtype=np.int64) for domain in domains]
    types = tuple(Integer(int(axis.min()), int(axis.max())) for axis in axes)
    grids = np.meshgrid(*axes, indexing="ij")
    operands = [
        Column(type_, grid.reshape(-1, 1) - type_.lo)
        for type_, grid in zip(types, grids, strict=True)
    ]
    column, failed = ExpressionKernel(function, types, result).run(operands, grids[0].size)
    if failed is not None and failed.any():
        return None
    rows: list[int] = (column.data.reshape(-1).astype(np.int64) + result.lo).tolist()
    return tuple(rows)


def _evaluated(expression: Expression, row: tuple[Value, ...]) -> Value | Failure:
    try:
        return evaluate(expression, row)
    except Failure as failure:
        return failure
