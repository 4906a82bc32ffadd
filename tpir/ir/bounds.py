"""How large the numbers of a node can be: whether sums of floats can leave the range of floats."""

from __future__ import annotations

import math

from tpir.ir.functions import Table
from tpir.ir.ops import Aggregate, AggregateSum, Map
from tpir.ir.program import Node
from tpir.ir.types import Real, number_bounds

LARGEST = 1.7e308
"""A little under the largest float64."""


def largest_magnitude(node: Node, context: int) -> float:
    """An upper bound of the absolute values of a node's numbers; infinity where none is known."""
    if not isinstance(node.type, Real):
        bounds = number_bounds(node.type)
        return math.inf if bounds is None else max(map(abs, bounds))
    match node.op:
        case Map(Table(_, results)):
            return max((abs(v) for v in results if not isinstance(v, str)), default=0.0)
        case AggregateSum():
            return context * largest_magnitude(node.operands[1], context)
        case Aggregate(default):
            given = 0.0 if default is None or isinstance(default, str) else abs(default)
            return max(given, largest_magnitude(node.operands[1], context))
    return math.inf


def may_overflow(node: Node, context: int) -> bool:
    """Whether a sum or mean of floats can be infinite on some input. True if in doubt."""
    if not isinstance(node.type, Real) or not isinstance(node.op, Aggregate | AggregateSum):
        return False
    values = node.operands[1]
    if not isinstance(values.type, Real):
        domain = number_bounds(values.type)
        if domain is None or all(isinstance(bound, int) for bound in domain):
            return False
    # Twice the bound: partial sums round, and must not round to infinity either.
    return 2 * context * largest_magnitude(values, context) >= LARGEST
