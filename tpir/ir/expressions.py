"""Scalar expressions: what ``map`` applies at each position. Their meaning is Python's.

``evaluate`` is the definition. A failure (division by zero, mixed types) is part of the meaning and
raises Failure, which the interpreter and the emitted Python report alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from tpir.ir.values import MAX_INTEGER, Structural, Value


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
NO_NUMBER = "no number"
"""A word that does not spell the number it is asked for."""
NO_ENTRY = "no such entry"
"""A list or dictionary that has nothing at this index."""
WORD_TOO_LONG = "word too long"

LONGEST_WORD = 2**16
"""Characters that concatenation and repetition may make."""


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
    """Operators of one operand. ``indicator`` is 1 for what is true, else 0.

    ``round`` gives the nearest int, of two the even one. ``str`` and what follows it convert.
    """

    NEGATE = "-"
    NOT = "not"
    INDICATOR = "indicator"
    ROUND = "round"
    WORD = "str"
    INT = "int"
    FLOAT = "float"
    TRUTH = "bool"


CONVERSIONS = frozenset({UnaryOp.WORD, UnaryOp.INT, UnaryOp.FLOAT, UnaryOp.TRUTH})


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
    """An operator between two expressions.

    ``and`` and ``or`` take what is empty or zero for false, give a truth value, and look right only
    where they must.
    """

    op: BinaryOp
    left: Expression
    right: Expression


@dataclass(frozen=True, eq=False)
class IfElse(Structural):
    """``then if condition else otherwise``: only the branch that is taken is evaluated."""

    then: Expression
    condition: Expression
    otherwise: Expression


@dataclass(frozen=True, eq=False)
class ListIndex(Structural):
    """``[items][index]``: negative indices count from the end."""

    items: tuple[Value, ...]
    index: Expression


@dataclass(frozen=True, eq=False)
class DictIndex(Structural):
    """``{key: item, …}[index]``: keys are found as Python finds them, 1 by True and by 1.0."""

    keys: tuple[Value, ...]
    items: tuple[Value, ...]
    index: Expression

    @cached_property
    def entries(self) -> dict[Value, Value]:
        """The dictionary."""
        return dict(zip(self.keys, self.items, strict=True))


Expression = Argument | Literal | Unary | Binary | IfElse | ListIndex | DictIndex


def parts_of(expression: Expression) -> tuple[Expression, ...]:
    """The expressions that an expression is made of, in the order they are evaluated in."""
    match expression:
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case IfElse(then, condition, otherwise):
            return (condition, then, otherwise)
        case ListIndex(_, index) | DictIndex(_, _, index):
            return (index,)
    return ()


def with_parts(expression: Expression, parts: tuple[Expression, ...]) -> Expression:
    """The expression with other parts, in the order of ``parts_of``."""
    match expression, parts:
        case Unary(op, _), (operand,):
            return Unary(op, operand)
        case Binary(op, _, _), (left, right):
            return Binary(op, left, right)
        case IfElse(), (condition, then, otherwise):
            return IfElse(then, condition, otherwise)
        case ListIndex(items, _), (index,):
            return ListIndex(items, index)
        case DictIndex(keys, items, _), (index,):
            return DictIndex(keys, items, index)
    return expression


def arguments_of(expression: Expression) -> frozenset[int]:
    """The arguments that an expression mentions."""
    if isinstance(expression, Argument):
        return frozenset({expression.index})
    return frozenset().union(*map(arguments_of, parts_of(expression)))


def renumbered(expression: Expression, new: Mapping[int, Expression]) -> Expression:
    """The expression with its arguments replaced."""
    if isinstance(expression, Argument):
        return new[expression.index]
    return with_parts(expression, tuple(renumbered(part, new) for part in parts_of(expression)))


def evaluate(expression: Expression, arguments: tuple[Value, ...]) -> Value:
    """The value of an expression for one row of arguments. Raises Failure."""
    match expression:
        case Argument(index):
            return arguments[index]
        case Literal(value):
            return value
        case Unary(op, operand):
            return apply_unary(op, evaluate(operand, arguments))
        case Binary(BinaryOp.AND, left, right):
            return bool(evaluate(left, arguments)) and bool(evaluate(right, arguments))
        case Binary(BinaryOp.OR, left, right):
            return bool(evaluate(left, arguments)) or bool(evaluate(right, arguments))
        case Binary(op, left, right):
            return apply_binary(op, evaluate(left, arguments), evaluate(right, arguments))
        case IfElse(then, condition, otherwise):
            taken = then if evaluate(condition, arguments) else otherwise
            return evaluate(taken, arguments)
        case ListIndex(items, index):
            return _list_item(items, evaluate(index, arguments))
        case DictIndex(_, _, index):
            found = expression.entries.get(evaluate(index, arguments))
            if found is None:
                raise Failure(NO_ENTRY)
            return found


def _list_item(items: tuple[Value, ...], index: Value) -> Value:
    if not isinstance(index, int):
        raise Failure(MIXED_TYPES)
    if not -len(items) <= index < len(items):
        raise Failure(NO_ENTRY)
    return items[index]


def apply_unary(op: UnaryOp, value: Value) -> Value:
    """An operator of one operand applied to a value. Raises Failure."""
    match op:
        case UnaryOp.NOT:
            return not value
        case UnaryOp.INDICATOR:
            return 1 if value else 0
        case UnaryOp.TRUTH:
            return bool(value)
        case UnaryOp.WORD:
            return str(value)
        case UnaryOp.INT | UnaryOp.FLOAT:
            return _converted(op, value)
    if isinstance(value, str):
        raise Failure(MIXED_TYPES)
    return _in_range(round(value)) if op is UnaryOp.ROUND else -value


def _converted(op: UnaryOp, value: Value) -> float:
    try:
        return _in_range(int(value) if op is UnaryOp.INT else float(value))
    except ValueError:
        raise Failure(NO_NUMBER) from None


def _in_range(number: float) -> float:
    if number - number != 0 or (isinstance(number, int) and abs(number) > MAX_INTEGER):
        raise Failure(NOT_A_NUMBER)
    return number


def apply_binary(op: BinaryOp, left: Value, right: Value) -> Value:
    """Arithmetic or comparison of two values as Python does it, Failure for its exceptions."""
    if op is BinaryOp.EQUAL:
        return left == right
    if op is BinaryOp.NOT_EQUAL:
        return left != right
    if op in ORDERINGS:
        return _ordered(op, left, right)
    if isinstance(left, str) or isinstance(right, str):
        return _worded(op, left, right)
    return _arithmetic(op, left, right)


def _worded(op: BinaryOp, left: Value, right: Value) -> str:
    """Concatenation of two words, or repetition of one."""
    if op is BinaryOp.ADD and isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > LONGEST_WORD:
            raise Failure(WORD_TOO_LONG)
        return left + right
    if op is BinaryOp.MULTIPLY:
        word, count = (left, right) if isinstance(left, str) else (right, left)
        if isinstance(word, str) and isinstance(count, int):
            if len(word) * count > LONGEST_WORD:
                raise Failure(WORD_TOO_LONG)
            return word * count
    raise Failure(MIXED_TYPES)


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
    if isinstance(result, complex):
        raise Failure(NOT_A_NUMBER)
    return _in_range(result)


def _is_large_power(base: float, exponent: float) -> bool:
    ints = isinstance(base, int) and isinstance(exponent, int)
    return ints and abs(base) > 1 and exponent > LARGEST_EXPONENT
