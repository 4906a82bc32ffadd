"""Why an op fails on given operands, in the words that Python has for it.

The original RASP computes with Python's operators and passes its messages on. Here they are made
again, after the interpreter has said that there is a failure: this decides nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    DictIndex,
    Expression,
    IfElse,
    ListIndex,
    Literal,
    Unary,
    UnaryOp,
)
from tpir.ir.ops import Comparison, Map, Select, Tokens
from tpir.ir.values import Value
from tpir.text.atoms import OPERATORS
from tpir.text.open import Infix, OpenAggregate, OpenOp, TokensAs
from tpir.text.problems import Heading

Said = tuple[Heading, str]
Operand = tuple[Value, ...] | tuple[tuple[bool, ...], ...]

_CONVERSIONS: dict[UnaryOp, Callable[[Any], object]] = {
    UnaryOp.NEGATE: operator.neg,
    UnaryOp.NOT: operator.not_,
    UnaryOp.INDICATOR: lambda value: 1 if value else 0,
    UnaryOp.ROUND: round,
    UnaryOp.WORD: str,
    UnaryOp.INT: int,
    UnaryOp.FLOAT: float,
    UnaryOp.TRUTH: bool,
}
_SWAPPED = {
    BinaryOp.LESS: BinaryOp.GREATER,
    BinaryOp.LESS_EQUAL: BinaryOp.GREATER_EQUAL,
    BinaryOp.GREATER: BinaryOp.LESS,
    BinaryOp.GREATER_EQUAL: BinaryOp.LESS_EQUAL,
}


class _NoEntry(Exception):
    """There is no entry at this index."""


def explain(op: OpenOp, operands: Sequence[Operand]) -> Said | None:
    """What the original says of the failure of an op on operands, by position; None if nothing."""
    match op:
        case Infix(expression):
            return _explain_rows(expression, operands)
        case TokensAs(conversion):
            return _explain_rows(Unary(conversion, Argument(0)), operands)
        case Map(function) if isinstance(function, Expression):
            return _explain_rows(function, operands)
        case OpenAggregate():
            values = list(operands[1])
            if all(type(value) in (int, float) for value in values):
                return None  # the original has these means: see ``tpir.ir.infer``
            words = f"asked to average multiple values, but they are non-numbers: {values}"
            return Heading.WRONG, words
        case Select(Comparison(comparison)):
            pairs = [(q, k) for q in operands[1] for k in operands[0]]
            # The original asks whether the query compares with the key, the other way round.
            swapped = Binary(_SWAPPED.get(comparison, comparison), Argument(0), Argument(1))
            return _first_problem(swapped, pairs)
    return None


def explain_mixture(op: OpenOp, values: tuple[Value, ...]) -> Said:
    """What the original says of a sequence that mixes words with other values."""
    shown = list(values) if isinstance(op, Tokens) else values
    words = f"attempted to create sequence with vals of different types:\n\t\t {shown}"
    return Heading.IGNORED, words


def _explain_rows(expression: Expression, operands: Sequence[Operand]) -> Said | None:
    return _first_problem(expression, list(zip(*operands, strict=True)))


def _first_problem(expression: Expression, rows: Sequence[tuple[object, ...]]) -> Said | None:
    for row in rows:
        try:
            _value(expression, row)
        except _NoEntry as problem:
            return Heading.IGNORED, str(problem)
        except (TypeError, ValueError, ArithmeticError) as problem:
            return Heading.WRONG, str(problem)
    return None


def _value(expression: Expression, row: tuple[object, ...]) -> object:
    """The value as Python has it, every part computed."""
    match expression:
        case Argument(index):
            return row[index]
        case Literal(value):
            return value
        case Unary(op, operand):
            return _CONVERSIONS[op](_value(operand, row))
        case Binary(op, left, right):
            first, second = _value(left, row), _value(right, row)
            if op in OPERATORS:
                return OPERATORS[op](first, second)
            joined = (bool(first), bool(second))
            return all(joined) if op is BinaryOp.AND else any(joined)
        case IfElse(then, condition, otherwise):
            parts = (_value(then, row), _value(otherwise, row))
            return parts[0] if _value(condition, row) else parts[1]
        case ListIndex(items, index):
            return _list_item(items, _value(index, row))
        case DictIndex(_, _, index):
            key = _value(index, row)
            if key not in expression.entries:
                shown = f'"{key}"' if isinstance(key, str) else str(key)
                raise _NoEntry(f"index [ {shown} ] not in dict.")
            return expression.entries[key]


def _list_item(items: tuple[Value, ...], index: object) -> object:
    if not isinstance(index, int):
        raise TypeError(f"list indices must be integers or slices, not {type(index).__name__}")
    if not -len(items) <= index < len(items):
        raise _NoEntry(f"index {index} out of range for list of length {len(items)}")
    return items[index]
