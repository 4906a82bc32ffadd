"""Expressions on arrays: all rows of arguments at once, exactly as Python would row by row.

What arrays cannot decide they leave open: a failure, work on words, an int that may be beyond 2^53,
a power, an index. Python evaluates those rows, and so it alone says what they come to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    Expression,
    IfElse,
    Literal,
    Unary,
    UnaryOp,
)
from tpir.ir.types import Bool, Categorical, Integer, Type
from tpir.ir.values import MAX_INTEGER, Value
from tpir.semantics.columns import BOOL, FLOAT, INT, Column, numbers, tag_of

Floats = NDArray[np.float64]
Tags = NDArray[np.uint8]
Flags = NDArray[np.bool_]

WORD = 3
"""The tag of a word, beside those of numbers."""

_ARITHMETIC: dict[BinaryOp, Callable[[Floats, Floats], Floats]] = {
    BinaryOp.ADD: np.add,
    BinaryOp.SUBTRACT: np.subtract,
    BinaryOp.MULTIPLY: np.multiply,
    BinaryOp.DIVIDE: np.divide,
    BinaryOp.MODULO: np.remainder,
}
_ORDERINGS: dict[BinaryOp, Callable[[Floats, Floats], Flags]] = {
    BinaryOp.LESS: np.less,
    BinaryOp.LESS_EQUAL: np.less_equal,
    BinaryOp.GREATER: np.greater,
    BinaryOp.GREATER_EQUAL: np.greater_equal,
}


@dataclass(frozen=True, eq=False)
class Vector:
    """The values of an expression, as numbers and tags.

    Each word has a number of its own, the empty one 0: what Python takes for false has data 0.
    ``open`` marks rows that Python has to decide. Arrays have one entry a row, or one for all.
    """

    data: Floats
    tags: Tags
    open: Flags

    def has(self, tag: int) -> Flags:
        """Where the value is a float, an int, a truth value or a word."""
        return np.equal(self.tags, tag)


class VectorEvaluator:
    """Evaluates expressions over arguments of some types. Each word it meets gets a number."""

    def __init__(self, types: Sequence[Type]) -> None:
        self._words = {"": 0}
        self._lookups = [
            self.encode(t.domain) if isinstance(t, Categorical) else None for t in types
        ]

    def encode(self, values: Sequence[Value]) -> tuple[Floats, Tags]:
        """Numbers and tags of some values."""
        words = self._words
        tags = [WORD if isinstance(v, str) else tag_of(v) for v in values]
        data = [words.setdefault(v, len(words)) if isinstance(v, str) else v for v in values]
        return np.array(data, dtype=np.float64), np.array(tags, dtype=np.uint8)

    def arguments(self, columns: Sequence[Column]) -> list[Vector]:
        """The arguments, from columns of the types."""
        return [_vector(c, known) for c, known in zip(columns, self._lookups, strict=True)]

    def evaluate(self, expression: Expression, arguments: Sequence[Vector]) -> Vector:
        """The expression for all rows; see the definition in ``tpir.ir.expressions``."""
        match expression:
            case Argument(index):
                return arguments[index]
            case Literal(value):
                return Vector(*self.encode([value]), _flags(False))
            case Unary(op, operand):
                return _unary(op, self.evaluate(operand, arguments))
            case Binary(op, left, right):
                return _binary(op, self.evaluate(left, arguments), self.evaluate(right, arguments))
            case IfElse(then, condition, otherwise):
                return _if_else(
                    self.evaluate(then, arguments),
                    self.evaluate(condition, arguments),
                    self.evaluate(otherwise, arguments),
                )
        return _OPEN


def _vector(column: Column, lookup: tuple[Floats, Tags] | None) -> Vector:
    if lookup is not None:
        codes = column.data.astype(np.intp)
        return Vector(lookup[0][codes], lookup[1][codes], _flags(False))
    data = numbers(column).astype(np.float64, copy=False)
    if column.tags is not None:
        return Vector(data, column.tags, _flags(False))
    kind = {Integer: INT, Bool: BOOL}.get(type(column.type), FLOAT)
    return Vector(data, _tag(kind), _flags(False))


def _tag(tag: int) -> Tags:
    return np.array([tag], dtype=np.uint8)


def _flags(flag: bool) -> Flags:
    return np.array([flag])


_OPEN = Vector(np.zeros(1), _tag(FLOAT), _flags(True))


def _unary(op: UnaryOp, value: Vector) -> Vector:
    unknown = value.open | value.has(WORD)
    match op:
        case UnaryOp.NOT:
            return _truth(value.data == 0, value.open)
        case UnaryOp.TRUTH:
            return _truth(value.data != 0, value.open)
        case UnaryOp.INDICATOR:
            return _number((value.data != 0).astype(np.float64), _flags(False), value.open)
        case UnaryOp.NEGATE:
            return _number(-value.data, value.has(FLOAT), unknown)
        case UnaryOp.ROUND:
            return _number(np.rint(value.data), _flags(False), unknown)
        case UnaryOp.INT:
            return _number(np.trunc(value.data), _flags(False), unknown)
        case UnaryOp.FLOAT:
            return _number(value.data, _flags(True), unknown)
    return _OPEN


def _binary(op: BinaryOp, left: Vector, right: Vector) -> Vector:
    if op in (BinaryOp.AND, BinaryOp.OR):
        return _logic(op, left, right)
    unknown = left.open | right.open
    words = left.has(WORD), right.has(WORD)
    if op in (BinaryOp.EQUAL, BinaryOp.NOT_EQUAL):
        same = np.equal(left.data, right.data) & np.equal(*words)
        return _truth(same if op is BinaryOp.EQUAL else ~same, unknown)
    unknown = unknown | words[0] | words[1]
    if op in _ORDERINGS:
        return _truth(_ORDERINGS[op](left.data, right.data), unknown)
    if op not in _ARITHMETIC:
        return _OPEN
    divides = op in (BinaryOp.DIVIDE, BinaryOp.MODULO)
    if divides:
        unknown = unknown | (right.data == 0)
    with np.errstate(all="ignore"):
        result = _ARITHMETIC[op](left.data, right.data)
    floats = left.has(FLOAT) | right.has(FLOAT)
    return _number(result, floats | (op is BinaryOp.DIVIDE), unknown)


def _number(result: Floats, floats: Flags, unknown: Flags) -> Vector:
    """The result of arithmetic, ``floats`` saying where it is a float."""
    unsure = ~np.isfinite(result) | (~floats & (np.abs(result) >= MAX_INTEGER))
    result = np.where(floats, result, result + 0.0)  # there is no int -0
    return Vector(result, np.where(floats, FLOAT, INT).astype(np.uint8), unknown | unsure)


def _truth(data: Flags, unknown: Flags) -> Vector:
    return Vector(data.astype(np.float64), _tag(BOOL), unknown)


def _logic(op: BinaryOp, left: Vector, right: Vector) -> Vector:
    """``and`` and ``or`` look right only where the left does not decide."""
    first, second = left.data != 0, right.data != 0
    if op is BinaryOp.AND:
        return _truth(first & second, left.open | (first & right.open))
    return _truth(first | second, left.open | (~first & right.open))


def _if_else(then: Vector, condition: Vector, otherwise: Vector) -> Vector:
    taken = condition.data != 0
    return Vector(
        np.where(taken, then.data, otherwise.data),
        np.where(taken, then.tags, otherwise.tags),
        condition.open | np.where(taken, then.open, otherwise.open),
    )
