"""Operators on atoms and lists, at compile time: what Python does, within bounds.

Raises PythonProblem with Python's words: the original passes them on.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from tpir.ir.expressions import BinaryOp
from tpir.text.scope import Thing, is_atom, kind_of
from tpir.text.syntax import Sign

LONGEST_INTEGER = 4096
"""Bits: far more than any program counts to, far less than takes long."""

MOST_ITEMS = 2**20
"""Of a list, or characters of a word."""

OPERATORS: Mapping[BinaryOp, Callable[[Any, Any], object]] = {
    BinaryOp.ADD: operator.add,
    BinaryOp.SUBTRACT: operator.sub,
    BinaryOp.MULTIPLY: operator.mul,
    BinaryOp.DIVIDE: operator.truediv,
    BinaryOp.MODULO: operator.mod,
    BinaryOp.POWER: operator.pow,
    BinaryOp.EQUAL: operator.eq,
    BinaryOp.NOT_EQUAL: operator.ne,
    BinaryOp.LESS: operator.lt,
    BinaryOp.LESS_EQUAL: operator.le,
    BinaryOp.GREATER: operator.gt,
    BinaryOp.GREATER_EQUAL: operator.ge,
}
_LARGE_FORMAT = re.compile(r"%[^a-zA-Z%]*[0-9*]{3}")


class PythonProblem(Exception):
    """What Python says of an operation that it cannot do."""


def binary(op: BinaryOp, left: Thing, right: Thing) -> Thing:
    """An operator between atoms or lists. Raises PythonProblem."""
    if op is BinaryOp.AND:
        return left and right
    if op is BinaryOp.OR:
        return left or right
    _check_size(op, left, right)
    try:
        result = OPERATORS[op](left, right)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise PythonProblem(_in_words(error, left, right)) from None
    return _checked(result)


def unary(sign: Sign, operand: Thing) -> Thing:
    """A sign before an atom. Raises PythonProblem."""
    if sign is Sign.NOT:
        return not operand
    try:
        return _checked(-operand if sign is Sign.MINUS else +operand)  # type: ignore[operator]
    except TypeError as error:
        raise PythonProblem(_in_words(error, operand)) from None


def rounded(operand: Thing) -> Thing:
    """An atom rounded to an int, halves to the even one. Raises PythonProblem."""
    try:
        return round(operand)  # type: ignore[arg-type]
    except (TypeError, ArithmeticError, ValueError) as error:
        raise PythonProblem(_in_words(error, operand)) from None


def _in_words(error: Exception, *operands: Thing) -> str:
    """What Python says, with words for what Python does not know: functions, sequences, …"""
    words = str(error)
    for thing in operands:
        if not isinstance(thing, str | int | float | list | dict):
            words = re.sub(rf"(?:type )?'?\b{type(thing).__name__}\b'?", kind_of(thing), words)
    return words.replace("doesn't define __round__ method", "cannot be rounded")


def _check_size(op: BinaryOp, left: Thing, right: Thing) -> None:
    """Refuse what would take long or fill the memory."""
    match op, left, right:
        case BinaryOp.POWER, int(), int() if left.bit_length() * max(right, 0) > LONGEST_INTEGER:
            raise PythonProblem("the result is too large")
        case BinaryOp.MULTIPLY, str() | list(), int() if len(left) * right > MOST_ITEMS:
            raise PythonProblem("the result is too large")
        case BinaryOp.MULTIPLY, int(), str() | list() if len(right) * left > MOST_ITEMS:
            raise PythonProblem("the result is too large")
        case BinaryOp.ADD, str() | list(), str() | list() if len(left) + len(right) > MOST_ITEMS:
            raise PythonProblem("the result is too large")
        case BinaryOp.MODULO, str(), _ if _LARGE_FORMAT.search(left):
            raise PythonProblem("the result is too large")


def _checked(result: object) -> Thing:
    if isinstance(result, int) and result.bit_length() > LONGEST_INTEGER:
        raise PythonProblem("the result is too large")
    if isinstance(result, complex) or (isinstance(result, float) and not math.isfinite(result)):
        raise PythonProblem("number out of range")
    if not is_atom(result) and not isinstance(result, list):
        raise PythonProblem(f"a result of type {type(result).__name__}")
    return result
