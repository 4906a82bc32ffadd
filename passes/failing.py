"""Which nodes can fail at run time: failures are part of meaning, and no pass adds or removes one.

Only live nodes fail, so a pass that lets a node go must know that nothing in its cone can fail.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from tpir.ir.bounds import may_overflow
from tpir.ir.expression_failures import expression_fails
from tpir.ir.expressions import ORDERINGS
from tpir.ir.functions import ReluFunction, Table
from tpir.ir.infer import has_means, lacks_default
from tpir.ir.ops import Aggregate, AggregateSum, Comparison, Map, Select, Uniform
from tpir.ir.program import Node
from tpir.ir.types import Categorical, Selector, Type, Width, is_mixed
from tpir.ir.values import is_number

_LONGEST = 2**20
"""More tokens than any context has: what sums are bounded for."""

_KNOWN: WeakKeyDictionary[Node, bool] = WeakKeyDictionary()
"""What ``can_fail`` said of nodes: they never change."""


def fails(node: Node) -> bool:
    """Whether the node itself may fail, judged by the types of its operands. True if in doubt."""
    types = tuple(operand.type for operand in node.operands)
    match node.op:
        case Map(function) if not isinstance(function, Table | ReluFunction):
            return expression_fails(function, types)
        case Select(Comparison(op)) if op in ORDERINGS:
            return len({kind for t in types for kind in _kinds(t)}) > 1
        case Uniform():
            return is_mixed(types[0])
        case Aggregate(default):
            if lacks_default(node.type, default):
                return True
            undefined = not has_means(types[1], node.type)
            return types[0] == Selector(Width.MANY) and (undefined or may_overflow(node, _LONGEST))
        case AggregateSum():
            return may_overflow(node, _LONGEST)
    return False


def can_fail(node: Node) -> bool:
    """Whether the node, or anything it depends on, may fail. Known answers are kept."""
    seen: set[Node] = set()
    stack = [node]
    while stack:
        below = stack.pop()
        if below in seen or _KNOWN.get(below) is False:
            continue
        if _KNOWN.get(below) or fails(below):
            _KNOWN[below] = _KNOWN[node] = True
            return True
        seen.add(below)
        stack.extend(below.operands)
    _KNOWN.update(dict.fromkeys(seen, False))
    return False


def _kinds(type_: Type) -> set[bool]:
    return {is_number(v) for v in type_.domain} if isinstance(type_, Categorical) else {True}
