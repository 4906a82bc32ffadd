"""Which maps give a float for every argument, also where the number is whole."""

from __future__ import annotations

from tpir.ir.expressions import Binary, BinaryOp, Expression, Literal, Unary, UnaryOp
from tpir.ir.functions import ReluFunction, Table
from tpir.ir.ops import Map, Op

ARITHMETIC = (BinaryOp.ADD, BinaryOp.SUBTRACT, BinaryOp.MULTIPLY)


def gives_floats(op: Op) -> bool:
    """Whether an op is such a map. A mean is none: it gives a single selected value unchanged."""
    if not isinstance(op, Map) or isinstance(op.function, ReluFunction):
        return False
    if isinstance(op.function, Table):
        return all(isinstance(value, float) for value in op.function.results)
    return _is_float(op.function)


def _is_float(expression: Expression) -> bool:
    match expression:
        case Literal(value):
            return isinstance(value, float)
        case Unary(UnaryOp.FLOAT) | Binary(BinaryOp.DIVIDE):
            return True
        case Unary(UnaryOp.NEGATE, operand):
            return _is_float(operand)
        case Binary(op, left, right) if op in ARITHMETIC:
            return _is_float(left) or _is_float(right)
    return False
