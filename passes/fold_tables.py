"""Tables of tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from tpir.ir.functions import ReluFunction, Table
from tpir.ir.ops import Map
from tpir.ir.program import Node, Program
from tpir.ir.types import is_integral, size_of, values_of
from tpir.ir.values import value_key
from tpir.passes.base import Pass, PassResult, Rewriting, rewrite, rows_of, until_stable
from tpir.passes.expressible import MAX_NUMERIC_ROWS, kind_of
from tpir.passes.tables import TableArray, distinct_places, table_of_relu


@dataclass(frozen=True)
class FoldTables(Pass):
    """Compose a table with the table of one of its arguments, where that is not larger.

    Law: map(g, map(f, x…), y…) = map(h, x…, y…) with h(x…, y…) = g(f(x…), y…).

        a = map(x) {0 -> 1; 1 -> 0};  b = map(a) {0 -> "n"; 1 -> "y"}
            →   b = map(x) {0 -> "y"; 1 -> "n"}

    Done where the new table has at most ``max_size`` rows, and no more than the table it replaces,
    and the inner table if nothing else reads that. Operands stay of one kind (``expressible``). A
    relu function over few integers becomes the table that it is. Sound: both sides are one finite
    function, computed row by row.
    """

    name: ClassVar[str] = "fold-tables"
    max_size: int = field(default=4096, metadata={"least": 1, "help": "most rows of a new table"})

    def run(self, program: Program) -> PassResult:
        """Compose until nothing more can be."""
        return until_stable(program, lambda p: rewrite(p, self._rule))

    def measure(self, program: Program) -> tuple[int, ...]:
        """Relu functions that are tables, then rows and nodes."""
        relus = sum(_is_small_relu(node) for node in program.live)
        return (relus, sum(rows_of(node.op) for node in program.live), len(program.live))

    def _rule(self, rewriting: Rewriting, node: Node, operands: tuple[Node, ...]) -> Node | None:
        if _is_small_relu(node):
            op = node.op
            assert isinstance(op, Map) and isinstance(op.function, ReluFunction)
            table = table_of_relu(op.function, [o.type for o in operands])
            return rewriting.replace(node, Map(table), operands, "over few integers: a table")
        if not _is_table(node):
            return None
        for place, inner in enumerate(operands):
            if _is_table(inner) and inner.operands and place == operands.index(inner):
                alone = _is_only_user(rewriting.program, node, node.operands[place])
                made = self._compose(rewriting, node, operands, place, alone)
                if made is not None:
                    return made
        return None

    def _compose(
        self,
        rewriting: Rewriting,
        node: Node,
        operands: tuple[Node, ...],
        place: int,
        alone: bool,
    ) -> Node | None:
        """The node on the operands of its operand at ``place``, or None."""
        inner = operands[place]
        outer_op = rewriting.fitted(node, operands)
        assert isinstance(outer_op, Map) and isinstance(outer_op.function, Table)
        assert isinstance(inner.op, Map) and isinstance(inner.op.function, Table)
        spread = [n for o in operands for n in (inner.operands if o is inner else (o,))]
        places = distinct_places(spread)
        new_operands = tuple(spread[places.index(k)] for k in range(max(places) + 1))
        rows = math.prod(size_of(o.type) or 0 for o in new_operands)
        allowed = len(outer_op.function.results)
        allowed += len(inner.op.function.results) if alone else 0
        if rows > min(allowed, self.max_size):
            rewriting.refuse(node, f"folding {inner.name} in would take {rows} rows")
            return None
        if len({kind_of(o) for o in new_operands}) > 1:
            rewriting.refuse(node, f"folding {inner.name} in would mix words and numbers")
            return None
        table = compose(outer_op.function, operands, inner, new_operands)
        return rewriting.replace(node, Map(table), new_operands, f"has {inner.name} folded in")


def compose(
    outer: Table, operands: tuple[Node, ...], inner: Node, new_operands: tuple[Node, ...]
) -> Table:
    """The table of ``outer`` over ``new_operands``, with ``inner`` computed from them."""
    assert isinstance(inner.op, Map) and isinstance(inner.op.function, Table)
    array, below = TableArray.of(outer), TableArray.of(inner.op.function)
    grids = np.ix_(*(np.arange(size_of(o.type) or 0) for o in new_operands))
    at = dict(zip(new_operands, grids, strict=True))
    taken = below.codes[tuple(at[o] for o in inner.operands)]
    wanted = {value_key(v): k for k, v in enumerate(values_of(inner.type) or ())}
    taken = np.array([wanted[value_key(v)] for v in below.values], dtype=np.intp)[taken]
    index = tuple(taken if o is inner else at[o] for o in operands)
    shape = tuple(size_of(o.type) or 0 for o in new_operands)
    domains = tuple(values_of(o.type) or () for o in new_operands)
    return TableArray(domains, np.broadcast_to(array.codes[index], shape), array.values).table()


def _is_table(node: Node) -> bool:
    return isinstance(node.op, Map) and isinstance(node.op.function, Table)


def _is_only_user(program: Program, node: Node, operand: Node) -> bool:
    """Whether only ``node`` reads ``operand``, so that it dies when ``node`` does without."""
    return program.users[operand] == (node,) and operand not in program.outputs.values()


def _is_small_relu(node: Node) -> bool:
    if not isinstance(node.op, Map) or not isinstance(node.op.function, ReluFunction):
        return False
    if not all(is_integral(o.type) for o in node.operands):
        return False
    return math.prod(size_of(o.type) or 0 for o in node.operands) <= MAX_NUMERIC_ROWS
