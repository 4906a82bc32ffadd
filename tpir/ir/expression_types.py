"""Type rules of scalar expressions: from the types of the arguments to the type of the value.

A rule is sound, not exact: every value that an expression can have is of its type. Only an
expression that has no value for any arguments is an error. Words are finite: where operators make
new ones, the values of the operands are gone through one by one.
"""

from __future__ import annotations

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
    apply_binary,
    apply_unary,
    evaluate,
)
from tpir.ir.types import (
    MAX_JOINED,
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
    size_of,
    type_of_values,
    values_of,
)
from tpir.ir.values import MAX_INTEGER, Value, check_value, distinct, is_number


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
            type_of_expression(condition, types)
            first, second = type_of_expression(then, types), type_of_expression(otherwise, types)
            joined = join(first, second)
            if joined is None:  # a float is one value beside words, not any number
                joined = join(_of_literal(then, first), _of_literal(otherwise, second))
            if joined is None:
                raise ExpressionTypeError(f"the branches of if are of types {first} and {second}")
            return joined
        case ListIndex(items, index) | DictIndex(_, items, index):
            return _type_of_entry(expression, items, type_of_expression(index, types))


def _of_literal(branch: Expression, found: Sequence) -> Sequence:
    return Categorical((branch.value,)) if isinstance(branch, Literal) else found


def _type_of_entry(
    expression: ListIndex | DictIndex, items: tuple[Value, ...], index: Sequence
) -> Sequence:
    for item in items:
        check_value(item, "entry")
    indices = values_of(index) if _is_small(index) else None
    if indices is None:
        found = list(distinct(items))
    else:
        found = []
        for value in indices:
            try:
                found.append(evaluate(_at(expression, value), ()))
            except Failure:
                continue
    if not found:
        raise ExpressionTypeError(f"there is no entry for any index of type {index}")
    return type_of_values(tuple(found))


def _at(expression: ListIndex | DictIndex, value: Value) -> Expression:
    if isinstance(expression, ListIndex):
        return ListIndex(expression.items, Literal(value))
    return DictIndex(expression.keys, expression.items, Literal(value))


@lru_cache(maxsize=4096)
def _type_of_unary(op: UnaryOp, operand: Sequence) -> Sequence:
    match op:
        case UnaryOp.NOT | UnaryOp.TRUTH:
            return Bool()
        case UnaryOp.INDICATOR:
            return Integer(0, 1)
        case UnaryOp.NEGATE:
            return _type_of_binary(BinaryOp.SUBTRACT, Integer(0, 0), operand)
        case UnaryOp.ROUND | UnaryOp.INT if isinstance(operand, Integer | Bool):
            return operand if isinstance(operand, Integer) else Integer(0, 1)
        case UnaryOp.ROUND | UnaryOp.INT if isinstance(operand, Real):
            return Real()
        case UnaryOp.FLOAT if isinstance(operand, Integer | Real):
            return Real()
    if not _is_small(operand):
        raise ExpressionTypeError(f"{op.value} of {operand}: that is too many different words")
    found: list[Value] = []
    for value in values_of(operand) or ():
        try:
            found.append(apply_unary(op, value))
        except Failure:
            continue
    if not found:
        raise ExpressionTypeError(f"{op.value} expects numbers, found {operand}")
    return type_of_values(tuple(found))


@lru_cache(maxsize=4096)
def _type_of_binary(op: BinaryOp, left: Sequence, right: Sequence) -> Sequence:
    if op in (BinaryOp.AND, BinaryOp.OR, BinaryOp.EQUAL, BinaryOp.NOT_EQUAL):
        return Bool()
    if op in ORDERINGS:
        check_ordered(op, left, right)
        return Bool()
    if _makes_words(op, left, right):
        return _type_of_words(op, left, right)
    lefts, rights = _numbers(op, left), _numbers(op, right)
    if not (_no_floats(left) and _no_floats(right)):
        return Real()
    return _type_of_integers(op, lefts, rights)


def _makes_words(op: BinaryOp, left: Sequence, right: Sequence) -> bool:
    words = (_has_words(left), _has_words(right))
    return (op is BinaryOp.ADD and all(words)) or (op is BinaryOp.MULTIPLY and any(words))


def _has_words(found: Sequence) -> bool:
    return isinstance(found, Categorical) and not all(map(is_number, found.domain))


def _type_of_words(op: BinaryOp, left: Sequence, right: Sequence) -> Sequence:
    sizes = (size_of(left) or MAX_JOINED + 1, size_of(right) or MAX_JOINED + 1)
    if sizes[0] * sizes[1] > MAX_JOINED:
        raise ExpressionTypeError(
            f"{op.value} of {left} and {right}: that is too many different words"
        )
    found: list[Value] = []
    for first, second in product(values_of(left) or (), values_of(right) or ()):
        try:
            found.append(apply_binary(op, first, second))
        except Failure:
            continue
    if not found:
        raise ExpressionTypeError(
            f"{op.value} expects two numbers or two words, found {left} and {right}"
        )
    return type_of_values(tuple(found))


def _is_small(found: Sequence) -> bool:
    size = size_of(found)
    return size is not None and size <= MAX_JOINED


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
            return _between(a + c, b + d)
        case BinaryOp.SUBTRACT:
            return _between(a - d, b - c)
        case BinaryOp.MULTIPLY:
            corners = [a * c, a * d, b * c, b * d]
            return _between(min(corners), max(corners))
        case BinaryOp.MODULO:
            # Python's remainder has the sign of the divisor.
            return _between(min(0, c + 1), max(0, d - 1))
        case BinaryOp.POWER if c >= 0 and d <= 64:
            powers = [x**e for x in {a, b, min(max(a, 0), b)} for e in range(c, d + 1)]
            return _between(min(powers), max(powers))
    return Real()


def _between(lo: int, hi: int) -> Sequence:
    """The ints between two bounds; where ints of their size are failures, numbers without bound."""
    return Integer(lo, hi) if max(-lo, hi) <= MAX_INTEGER else Real()
