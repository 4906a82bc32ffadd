"""Which nodes can fail at run time: failures are part of meaning, and no pass adds or removes one.

Only live nodes fail, so a pass that lets a node go must know that nothing in its cone can fail.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from weakref import WeakKeyDictionary

from tpir.ir.bounds import may_overflow
from tpir.ir.expressions import (
    ORDERINGS,
    Argument,
    Binary,
    BinaryOp,
    Expression,
    Failure,
    IfElse,
    Literal,
    Unary,
    UnaryOp,
    evaluate,
)
from tpir.ir.functions import ReluFunction, Table
from tpir.ir.ops import Aggregate, AggregateSum, Comparison, Map, Select
from tpir.ir.program import Node
from tpir.ir.types import (
    Bool,
    Categorical,
    Integer,
    Selector,
    Type,
    Width,
    number_bounds,
    size_of,
    values_of,
)
from tpir.ir.values import is_number

_LONGEST = 2**20
"""More tokens than any context has: what sums are bounded for."""

_TRIED = 4096
"""Expressions over at most this many rows are tried on every one."""

_KNOWN: WeakKeyDictionary[Node, bool] = WeakKeyDictionary()
"""What ``can_fail`` said of nodes: they never change."""


def fails(node: Node) -> bool:
    """Whether the node itself may fail, judged by the types of its operands. True if in doubt."""
    types = tuple(operand.type for operand in node.operands)
    match node.op:
        case Map(function) if not isinstance(function, Table | ReluFunction):
            return _expression_fails(function, types)
        case Select(Comparison(op)) if op in ORDERINGS:
            return len({kind for t in types for kind in _kinds(t)}) > 1
        case Aggregate():
            words = number_bounds(node.operands[1].type) is None
            return types[0] == Selector(Width.MANY) and (words or may_overflow(node, _LONGEST))
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


@lru_cache(maxsize=4096)
def _expression_fails(function: Expression, types: tuple[Type, ...]) -> bool:
    sizes = [size_of(t) or _TRIED + 1 for t in types]
    if math.prod(sizes) > _TRIED:
        return _safe_kind(function, types) is None
    for row in product(*(values_of(t) or () for t in types)):
        try:
            evaluate(function, row)
        except Failure:
            return True
    return False


def _safe_kind(function: Expression, types: tuple[Type, ...]) -> str | None:
    """``int``, ``truth`` or ``other`` for an expression that never fails; None if it may.

    Integer arithmetic and tests of truth never do.
    """
    match function:
        case Argument(index):
            return _kind_of(types[index])
        case Literal(value):
            return (
                "truth" if isinstance(value, bool) else "int" if isinstance(value, int) else "other"
            )
        case Unary(op, operand):
            kind = _safe_kind(operand, types)
            if op is UnaryOp.NEGATE:
                return "int" if kind == "int" else None
            return None if kind != "truth" else "truth" if op is UnaryOp.NOT else "int"
        case Binary(op, left, right):
            kinds = (_safe_kind(left, types), _safe_kind(right, types))
            return _safe_binary(op, kinds)
        case IfElse(then, condition, otherwise):
            first, second = _safe_kind(then, types), _safe_kind(otherwise, types)
            if _safe_kind(condition, types) != "truth" or first is None or second is None:
                return None
            return first if first == second else "other"


def _safe_binary(op: BinaryOp, kinds: tuple[str | None, str | None]) -> str | None:
    if None in kinds:
        return None
    if op in (BinaryOp.EQUAL, BinaryOp.NOT_EQUAL):
        return "truth"
    if op in (BinaryOp.AND, BinaryOp.OR):
        return "truth" if kinds == ("truth", "truth") else None
    if kinds != ("int", "int"):
        return None
    if op in ORDERINGS:
        return "truth"
    return "int" if op in (BinaryOp.ADD, BinaryOp.SUBTRACT, BinaryOp.MULTIPLY) else None


def _kind_of(type_: Type) -> str:
    if isinstance(type_, Categorical):
        kinds = {type(v) for v in type_.domain}
        return "truth" if kinds == {bool} else "int" if kinds == {int} else "other"
    return "int" if isinstance(type_, Integer) else "truth" if isinstance(type_, Bool) else "other"
