"""Which scalar expressions can fail, judged by the types of their arguments."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product

from tpir.ir.expressions import (
    ORDERINGS,
    Argument,
    Binary,
    BinaryOp,
    DictIndex,
    Expression,
    Failure,
    IfElse,
    ListIndex,
    Literal,
    Unary,
    UnaryOp,
    evaluate,
)
from tpir.ir.types import Bool, Categorical, Integer, Type, size_of, values_of

_TRIED = 4096
"""Expressions over at most this many rows are tried on every one."""


@lru_cache(maxsize=4096)
def expression_fails(function: Expression, types: tuple[Type, ...]) -> bool:
    """Whether an expression may fail on some arguments of these types. True if in doubt."""
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
            return _safe_unary(op, _safe_kind(operand, types))
        case Binary(op, left, right):
            kinds = (_safe_kind(left, types), _safe_kind(right, types))
            return _safe_binary(op, kinds)
        case IfElse(then, condition, otherwise):
            first, second = _safe_kind(then, types), _safe_kind(otherwise, types)
            if _safe_kind(condition, types) is None or first is None or second is None:
                return None
            return first if first == second else "other"
        case ListIndex() | DictIndex():
            return None


def _safe_unary(op: UnaryOp, kind: str | None) -> str | None:
    if kind is None or op in (UnaryOp.NEGATE, UnaryOp.ROUND, UnaryOp.INT, UnaryOp.FLOAT):
        whole = kind == "int" and op is not UnaryOp.FLOAT
        return "int" if whole else None
    if op in (UnaryOp.NOT, UnaryOp.TRUTH):
        return "truth"
    return "int" if op is UnaryOp.INDICATOR else "other"


def _safe_binary(op: BinaryOp, kinds: tuple[str | None, str | None]) -> str | None:
    if None in kinds:
        return None
    if op in (BinaryOp.EQUAL, BinaryOp.NOT_EQUAL, BinaryOp.AND, BinaryOp.OR):
        return "truth"
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
