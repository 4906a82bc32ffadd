"""Scalar expressions: what ``map`` applies at each position. Their meaning is Python's.

``evaluate`` is the definition. A failure (division by zero, mixed types) is part of the meaning and
raises Failure, which the interpreter and the emitted Python report alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tpir.ir.types import (
    Bool,
    Categorical,
    Integer,
    Pooled,
    Real,
    Selector,
    Sequence,
    Type,
    is_integral,
    join,
    number_bounds,
    type_of_values,
    values_of,
)
from tpir.ir.values import MAX_INTEGER, Structural, Value, check_value


class Failure(Exception):
    """A program fails on an input; ``kind`` says why, in the words that every backend uses."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


DIVISION_BY_ZERO = "division by zero"
MIXED_TYPES = "mixed types"
MEAN_OF_WORDS = "mean of words"
NOT_A_NUMBER = "number out of range"
"""Complex, infinite, or an int beyond 2^53, which float64 could no longer hold exactly."""


LARGEST_EXPONENT = 53
"""Of an int other than 0, 1 and -1: higher powers are out of range, and could fill the memory."""


class BinaryOp(Enum):
    """Operators of two operands, by their spelling in ``.rasp``."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"
    POWER = "^"
    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    AND = "and"
    OR = "or"


ARITHMETIC = frozenset(
    {
        BinaryOp.ADD,
        BinaryOp.SUBTRACT,
        BinaryOp.MULTIPLY,
        BinaryOp.DIVIDE,
        BinaryOp.MODULO,
        BinaryOp.POWER,
    }
)
ORDERINGS = frozenset(
    {BinaryOp.LESS, BinaryOp.LESS_EQUAL, BinaryOp.GREATER, BinaryOp.GREATER_EQUAL}
)
COMPARISONS = ORDERINGS | {BinaryOp.EQUAL, BinaryOp.NOT_EQUAL}


class UnaryOp(Enum):
    """Operators of one operand. ``indicator`` turns a truth value into 0 or 1."""

    NEGATE = "-"
    NOT = "not"
    INDICATOR = "indicator"


@dataclass(frozen=True, eq=False)
class Argument(Structural):
    """The k-th operand of the map, counted from 0."""

    index: int


@dataclass(frozen=True, eq=False)
class Literal(Structural):
    """A constant."""

    value: Value


@dataclass(frozen=True, eq=False)
class Unary(Structural):
    """An operator applied to one expression."""

    op: UnaryOp
    operand: Expression


@dataclass(frozen=True, eq=False)
class Binary(Structural):
    """An operator between two expressions. ``and`` and ``or`` look right only where they must."""

    op: BinaryOp
    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class IfElse(Structural):
    """``then if condition else otherwise``: only the branch that is taken is evaluated."""

    then: Expression
    condition: Expression
    otherwise: Expression


Expression = Argument | Literal | Unary | Binary | IfElse


def evaluate(expression: Expression, arguments: tuple[Value, ...]) -> Value:
    """The value of an expression for one row of arguments. Raises Failure."""
    match expression:
        case Argument(index):
            return arguments[index]
        case Literal(value):
            return value
        case Unary(op, operand):
            return _unary(op, evaluate(operand, arguments))
        case Binary(BinaryOp.AND, left, right):
            return _truth(evaluate(left, arguments)) and _truth(evaluate(right, arguments))
        case Binary(BinaryOp.OR, left, right):
            return _truth(evaluate(left, arguments)) or _truth(evaluate(right, arguments))
        case Binary(op, left, right):
            return apply_binary(op, evaluate(left, arguments), evaluate(right, arguments))
        case IfElse(then, condition, otherwise):
            taken = then if _truth(evaluate(condition, arguments)) else otherwise
            return evaluate(taken, arguments)


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise Failure(MIXED_TYPES)
    return value


def _unary(op: UnaryOp, value: Value) -> Value:
    if op is UnaryOp.NOT:
        return not _truth(value)
    if op is UnaryOp.INDICATOR:
        return int(_truth(value))
    if isinstance(value, str):
        raise Failure(MIXED_TYPES)
    return -value


def apply_binary(op: BinaryOp, left: Value, right: Value) -> Value:
    """Arithmetic or comparison of two values as Python does it, Failure for its exceptions."""
    if op is BinaryOp.EQUAL:
        return left == right
    if op is BinaryOp.NOT_EQUAL:
        return left != right
    if op in ORDERINGS:
        return _ordered(op, left, right)
    if isinstance(left, str) or isinstance(right, str):
        raise Failure(MIXED_TYPES)
    return _arithmetic(op, left, right)


def _ordered(op: BinaryOp, left: Value, right: Value) -> bool:
    if isinstance(left, str) != isinstance(right, str):
        raise Failure(MIXED_TYPES)
    match op:
        case BinaryOp.LESS:
            return left < right  # type: ignore[operator]
        case BinaryOp.LESS_EQUAL:
            return left <= right  # type: ignore[operator]
        case BinaryOp.GREATER:
            return left > right  # type: ignore[operator]
    return left >= right  # type: ignore[operator]


def _arithmetic(op: BinaryOp, left: float, right: float) -> float:
    result: float | complex
    try:
        match op:
            case BinaryOp.ADD:
                result = left + right
            case BinaryOp.SUBTRACT:
                result = left - right
            case BinaryOp.MULTIPLY:
                result = left * right
            case BinaryOp.DIVIDE:
                result = left / right
            case BinaryOp.MODULO:
                result = left % right
            case _ if _is_large_power(left, right):
                raise Failure(NOT_A_NUMBER)
            case _:
                result = left**right
    except ZeroDivisionError:
        raise Failure(DIVISION_BY_ZERO) from None
    except OverflowError:
        raise Failure(NOT_A_NUMBER) from None
    if isinstance(result, complex) or result - result != 0:  # complex, infinite or not a number
        raise Failure(NOT_A_NUMBER)
    if isinstance(result, int) and abs(result) > MAX_INTEGER:
        raise Failure(NOT_A_NUMBER)
    return result


def _is_large_power(base: float, exponent: float) -> bool:
    ints = isinstance(base, int) and isinstance(exponent, int)
    return ints and abs(base) > 1 and exponent > LARGEST_EXPONENT


class ExpressionTypeError(Exception):
    """An expression that cannot have a value for any arguments of these types."""


def type_of_expression(expression: Expression, types: tuple[Type, ...]) -> Sequence:
    """The type of an expression's values. Raises ExpressionTypeError with what was expected."""
    match expression:
        case Argument(index):
            found = types[index]
            if isinstance(found, Selector | Pooled):
                raise ExpressionTypeError(f"expected a sequence, found {found}")
            return found
        case Literal(value):
            check_value(value, "literal")
            return type_of_values((value,))
        case Unary(op, operand):
            return _type_of_unary(op, type_of_expression(operand, types))
        case Binary(op, left, right):
            return _type_of_binary(
                op, type_of_expression(left, types), type_of_expression(right, types)
            )
        case IfElse(then, condition, otherwise):
            _expect_truth(type_of_expression(condition, types), "if")
            first, second = type_of_expression(then, types), type_of_expression(otherwise, types)
            joined = join(first, second)
            if joined is None:
                raise ExpressionTypeError(f"the branches of if are of types {first} and {second}")
            return joined


def _expect_truth(found: Sequence, where: str) -> None:
    may_be_truth = isinstance(found, Bool) or (
        isinstance(found, Categorical) and any(isinstance(v, bool) for v in found.domain)
    )
    if not may_be_truth:
        raise ExpressionTypeError(f"{where} expects truth values, found {found}")


def _type_of_unary(op: UnaryOp, operand: Sequence) -> Sequence:
    if op in (UnaryOp.NOT, UnaryOp.INDICATOR):
        _expect_truth(operand, op.value)
        return Bool() if op is UnaryOp.NOT else Integer(0, 1)
    return _type_of_binary(BinaryOp.SUBTRACT, Integer(0, 0), operand)


def _type_of_binary(op: BinaryOp, left: Sequence, right: Sequence) -> Sequence:
    if op in (BinaryOp.AND, BinaryOp.OR):
        _expect_truth(left, op.value)
        _expect_truth(right, op.value)
        return Bool()
    if op in (BinaryOp.EQUAL, BinaryOp.NOT_EQUAL):
        return Bool()
    if op in ORDERINGS:
        check_ordered(op, left, right)
        return Bool()
    lefts, rights = _numbers(op, left), _numbers(op, right)
    if not (_no_floats(left) and _no_floats(right)):
        return Real()
    return _type_of_integers(op, lefts, rights)


def check_ordered(op: BinaryOp, left: Type, right: Type) -> None:
    """Raise ExpressionTypeError if no value of one type can be compared with one of the other."""

    def kinds(type_: Type) -> set[bool]:
        if number_bounds(type_) is not None:
            return {False}
        return {isinstance(v, str) for v in values_of(type_) or ()}

    if not kinds(left) & kinds(right):
        raise ExpressionTypeError(
            f"{op.value} compares numbers with numbers or words with words, "
            f"found {left} and {right}"
        )


def _numbers(op: BinaryOp, found: Sequence) -> tuple[float, float]:
    """Bounds of the numbers among the values; words among them are failures at run time."""
    bounds = number_bounds(found)
    if bounds is not None:
        return bounds
    numbers = [v for v in values_of(found) or () if not isinstance(v, str)]
    if not numbers:
        raise ExpressionTypeError(f"{op.value} expects numbers, found {found}")
    return (min(numbers), max(numbers))


def _no_floats(found: Sequence) -> bool:
    if is_integral(found) or isinstance(found, Real):
        return is_integral(found)
    return not any(isinstance(v, float) for v in values_of(found) or ())


def _type_of_integers(
    op: BinaryOp, left: tuple[float, float], right: tuple[float, float]
) -> Sequence:
    (a, b), (c, d) = (int(left[0]), int(left[1])), (int(right[0]), int(right[1]))
    match op:
        case BinaryOp.ADD:
            return Integer(a + c, b + d)
        case BinaryOp.SUBTRACT:
            return Integer(a - d, b - c)
        case BinaryOp.MULTIPLY:
            corners = [a * c, a * d, b * c, b * d]
            return Integer(min(corners), max(corners))
        case BinaryOp.MODULO:
            # Python's remainder has the sign of the divisor.
            return Integer(min(0, c + 1), max(0, d - 1))
        case BinaryOp.POWER if c >= 0 and d <= 64:
            powers = [x**e for x in {a, b, min(max(a, 0), b)} for e in range(c, d + 1)]
            return Integer(min(powers), max(powers))
    return Real()
