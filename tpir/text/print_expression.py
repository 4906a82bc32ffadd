"""Scalar expressions as text, with parentheses wherever a reader of Python could be misled."""

from __future__ import annotations

from collections.abc import Sequence

from tpir.ir.expressions import (
    COMPARISONS,
    CONVERSIONS,
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
from tpir.ir.values import show_value

_SIGNS = {UnaryOp.NEGATE, UnaryOp.NOT}
_SUMS = {BinaryOp.ADD, BinaryOp.SUBTRACT}
_PRODUCTS = {BinaryOp.MULTIPLY, BinaryOp.DIVIDE}
_LOGIC = {BinaryOp.AND, BinaryOp.OR}


def print_expression(expression: Expression, operands: Sequence[str]) -> str:
    """The text of an expression over operands that are given as text."""
    match expression:
        case Argument(index):
            return operands[index]
        case Literal(value):
            return show_value(value)
        case Unary(op, operand) if op not in _SIGNS:
            return f"{op.value}({print_expression(operand, operands)})"
        case Unary(op, operand):
            sign = "not " if op is UnaryOp.NOT else "-"
            return sign + _tight(operand, operands, signed=False)
        case Binary(op, left, right):
            first = _side(left, op, operands, left=True)
            return f"{first} {op.value} {_side(right, op, operands, left=False)}"
        case IfElse(then, condition, otherwise):
            first, second = _branch(then, operands), _branch(otherwise, operands)
            return f"{first} if {_branch(condition, operands)} else {second}"
        case ListIndex(items, index):
            shown = ", ".join(map(show_value, items))
            return f"[{shown}][{print_expression(index, operands)}]"
        case DictIndex(keys, items, index):
            pairs = zip(keys, items, strict=True)
            shown = ", ".join(f"{show_value(k)}: {show_value(v)}" for k, v in pairs)
            return f"{{{shown}}}[{print_expression(index, operands)}]"


def is_plain(expression: Expression, arity: int) -> bool:
    """Whether the infix text of an expression reads back as just this expression of its operands.

    It does unless reading would compute a part of it, or number the operands otherwise.
    """
    if isinstance(expression, Argument | Literal):
        return False
    order: dict[int, None] = {}
    return _keeps(expression, order) and list(order) == list(range(arity))


def _keeps(expression: Expression, order: dict[int, None]) -> bool:
    """Whether no part that holds an operator is constant; notes the operands as they appear."""
    match expression:
        case Argument(index):
            order[index] = None
            return True
        case Literal():
            return True
        case Unary(op, operand):
            spelled = op not in CONVERSIONS and not isinstance(operand, Literal)
            return spelled and _keeps(operand, order)
        case Binary(BinaryOp.NOT_EQUAL, _, _):
            return False
        case Binary(_, left, right):
            constant = isinstance(left, Literal) and isinstance(right, Literal)
            return not constant and _keeps(left, order) and _keeps(right, order)
        case IfElse(then, condition, otherwise):
            return (
                not isinstance(condition, Literal)
                and _keeps(then, order)
                and _keeps(condition, order)
                and _keeps(otherwise, order)
            )
        case ListIndex(_, index) | DictIndex(_, _, index):
            return not isinstance(index, Literal) and _keeps(index, order)


def _side(part: Expression, op: BinaryOp, operands: Sequence[str], *, left: bool) -> str:
    if isinstance(part, Binary):
        inner = part.op
        bare = (
            (op in _SUMS and inner in _PRODUCTS)
            or (left and op in _SUMS and inner in _SUMS)
            or (left and op in _PRODUCTS and inner in _PRODUCTS)
            or (op in COMPARISONS and inner in _SUMS | _PRODUCTS)
            or (op in _LOGIC and inner in COMPARISONS)
            or (left and op in _LOGIC and inner is op)
        )
        if bare:
            return print_expression(part, operands)
    if isinstance(part, Unary) and part.op is UnaryOp.NOT and op in _LOGIC:
        return print_expression(part, operands)
    return _tight(part, operands, signed=op is not BinaryOp.POWER)


def _tight(part: Expression, operands: Sequence[str], *, signed: bool) -> str:
    """The text of a part that may not fall apart; with ``signed`` a number keeps its bare sign."""
    text = print_expression(part, operands)
    whole = isinstance(part, Argument | Literal | ListIndex | DictIndex) or (
        isinstance(part, Unary) and part.op not in _SIGNS
    )
    if isinstance(part, Literal) and not signed:
        # After a sign, a bare number would be read as one with that sign.
        whole = isinstance(part.value, str | bool)
    return text if whole else f"({text})"


def _branch(part: Expression, operands: Sequence[str]) -> str:
    text = print_expression(part, operands)
    return f"({text})" if isinstance(part, IfElse) else text
