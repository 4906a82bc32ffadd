"""Arguments of maps that do not matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tpir.ir.expressions import Argument, Expression, arguments_of, renumbered
from tpir.ir.functions import ReluFunction, Table
from tpir.ir.ops import Map
from tpir.ir.program import Node, Program
from tpir.passes.base import Pass, PassResult, Rewriting, rewrite, until_stable
from tpir.passes.failing import can_fail
from tpir.passes.tables import TableArray, distinct_places


@dataclass(frozen=True)
class UnusedArguments(Pass):
    """Drop arguments that a map does not depend on, and pass each operand only once.

    Law: f(x, y) = g(x) for all x, y, then map(f, x, y) = map(g, x); and map(f, x, x) = map(h, x)
    with h(x) = f(x, x).

        a = map(x, y) {(0, _) -> 1; (1, _) -> 0}   →   a = map(x) {0 -> 1; 1 -> 0}

    Sound: the value at each position stays the same. An operand that can fail stays: without it the
    program might fail less often.
    """

    name: ClassVar[str] = "unused-arguments"

    def measure(self, program: Program) -> tuple[int, ...]:
        """Operands that maps read."""
        return (sum(len(n.operands) for n in program.nodes if isinstance(n.op, Map)),)

    def run(self, program: Program) -> PassResult:
        """Drop what does not matter from each table and expression."""
        return until_stable(program, lambda p: rewrite(p, _drop))


def _drop(rewriting: Rewriting, node: Node, operands: tuple[Node, ...]) -> Node | None:
    if not isinstance(node.op, Map) or isinstance(node.op.function, ReluFunction):
        return None
    copied = rewriting.fitted(node, operands)
    assert isinstance(copied, Map)
    function: Table | Expression
    if isinstance(copied.function, Table):
        function, used = _used_table(copied.function, operands)
    else:
        assert not isinstance(copied.function, ReluFunction)
        function, used = _used_expression(copied.function, operands)
    if len(used) == len(operands):
        return None
    names = ", ".join(dict.fromkeys(o.name for o in operands if o not in used))
    why = f"does not depend on {names}" if names else "reads an operand twice"
    return rewriting.replace(node, Map(function), tuple(used), why)


def _used_table(table: Table, operands: tuple[Node, ...]) -> tuple[Table, list[Node]]:
    """The table of the operands that matter, each once."""
    places = distinct_places(operands)
    array = TableArray.of(table).merged(places)
    kept = [operands[places.index(k)] for k in range(len(array.domains))]
    for axis in reversed(range(len(kept))):
        first = array.codes.take([0], axis=axis)
        if (array.codes == first).all() and not can_fail(kept[axis]):
            array = array.without_axis(axis, np.squeeze(first, axis=axis))
            del kept[axis]
    return array.table(), kept


def _used_expression(
    function: Expression, operands: tuple[Node, ...]
) -> tuple[Expression, list[Node]]:
    """The expression with its arguments numbered anew, and the operands that it mentions."""
    mentioned = arguments_of(function)
    kept: list[Node] = []
    for k, operand in enumerate(operands):
        if operand not in kept and (k in mentioned or can_fail(operand)):
            kept.append(operand)
    places = {k: kept.index(o) for k, o in enumerate(operands) if o in kept}
    return renumbered(function, {k: Argument(place) for k, place in places.items()}), kept
