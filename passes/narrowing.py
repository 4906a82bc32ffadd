"""Which nodes may be given a narrower type.

Types are part of a program: a table lists the values of its operands. Where a rewrite leaves a node
fewer values, its users are cut to them (``tpir.ir.adapt``), and their types narrow in turn. A few
ops take no narrower type, or mean something else on it:

- a sum of floats is a float, even where only ints are left to add;
- a table whose results mix floats or truth values with others becomes Real or Bool when cut;
- the mean of truth values is a failure, that of truth values among other numbers is not;
- an expression or an ordering that can fail may have no type where it always fails.

What they depend on keeps its type: it is *pinned*.
"""

from __future__ import annotations

from tpir.ir.functions import Table
from tpir.ir.ops import Aggregate, AggregateSum, Map, Select, Uniform
from tpir.ir.program import Node, Program
from tpir.ir.types import Categorical, Integer, Real, Selector, Type, Width, is_integral, values_of
from tpir.ir.values import value_key
from tpir.passes.failing import fails


def fits(new: Type, old: Type) -> bool:
    """Whether a node of type ``new`` can stand where the users know one of type ``old``."""
    if new == old:
        return True
    if isinstance(new, Selector) or isinstance(old, Selector):
        return False
    if isinstance(new, Integer) and isinstance(old, Integer):
        return old.lo <= new.lo and new.hi <= old.hi
    if isinstance(old, Integer) and isinstance(new, Categorical):
        return all(type(v) is int and old.lo <= v <= old.hi for v in new.domain)
    found, known = values_of(new), values_of(old)
    if found is None:
        return known is None
    if known is None:
        return False
    return {value_key(v) for v in found} <= {value_key(v) for v in known}


def pinned_types(program: Program) -> frozenset[Node]:
    """The nodes whose types must stay as they are."""
    pinned: set[Node] = set()
    stack = [operand for node in program.nodes if _is_delicate(node) for operand in _carried(node)]
    while stack:
        node = stack.pop()
        if node not in pinned:
            pinned.add(node)
            stack.extend(_carried(node))
    return frozenset(pinned)


def _is_delicate(node: Node) -> bool:
    match node.op:
        case Map(Table()):
            if not isinstance(node.type, Categorical):
                return False
            return any(isinstance(v, float | bool) for v in node.type.domain)
        case AggregateSum():
            return not is_integral(node.operands[1].type)
        case Aggregate() if node.operands[0].type == Selector(Width.MANY):
            # Where only truth values are left, there is no mean any more.
            values = values_of(node.operands[1].type) or ()
            if len({isinstance(value, bool) for value in values}) > 1:
                return True
    return fails(node) and not isinstance(node.op, Uniform)


def _carried(node: Node) -> tuple[Node, ...]:
    """The operands whose types the node's own type depends on."""
    match node.op:
        case Map(Table()) if isinstance(node.type, Real):
            return ()
        case Map():
            return node.operands
        case Uniform():
            return node.operands
        case Aggregate() | AggregateSum():
            return node.operands[1:]
        case Select():
            return node.operands if fails(node) else ()
    return ()
