"""The first argument of ``map``: an expression of ``$1``, ``$2``, … as it stands."""

from __future__ import annotations

from tpir.errors import counted
from tpir.ir import expressions as ir
from tpir.text import syntax
from tpir.text.evaluate import Evaluator


def raw_expression(
    evaluator: Evaluator, expression: syntax.Expression, count: int
) -> ir.Expression:
    """An expression of ``$1`` to ``$count`` as it stands."""

    def below(part: syntax.Expression) -> ir.Expression:
        return raw_expression(evaluator, part, count)

    match expression:
        case syntax.Literal(value=value):
            return ir.Literal(value)
        case syntax.Name(text="True" | "False" as truth):
            return ir.Literal(truth == "True")
        case syntax.Parameter(number=number):
            if not 1 <= number <= count:
                message = f"${number}: this map has {counted(count, 'operand')}"
                raise evaluator.refuse(message, expression)
            return ir.Argument(number - 1)
        case syntax.Group(inner=inner):
            return below(inner)
        case syntax.Unary(op=syntax.Sign.MINUS, operand=syntax.Literal(value=value)) if isinstance(
            value, int | float
        ):
            return ir.Literal(-value)  # a number with its sign; -(1) is the operator
        case syntax.Unary(op=syntax.Sign.MINUS | syntax.Sign.NOT as sign, operand=operand):
            return ir.Unary(ir.UnaryOp(sign.value), below(operand))
        case syntax.Binary(op=op, left=left, right=right):
            return ir.Binary(op, below(left), below(right))
        case syntax.IfElse(then=then, condition=condition, otherwise=otherwise):
            return ir.IfElse(below(then), below(condition), below(otherwise))
        case syntax.Index(value=syntax.ListLiteral(items=items), index=index):
            return ir.ListIndex(tuple(_raw_atom(evaluator, i, count) for i in items), below(index))
        case syntax.Index(value=syntax.DictLiteral(items=pairs), index=index):
            table = {
                _raw_atom(evaluator, k, count): _raw_atom(evaluator, v, count) for k, v in pairs
            }
            return ir.DictIndex(tuple(table), tuple(table.values()), below(index))
        case syntax.Call(function=syntax.Name(text=text), arguments=(argument,)) if (
            text in _CALLED and not isinstance(argument, syntax.Keyword | syntax.Operator)
        ):
            return ir.Unary(_CALLED[text], below(argument))
    raise evaluator.refuse(
        "the first argument of map is made of $1, $2, …, values and operators", expression
    )


def _raw_atom(
    evaluator: Evaluator, expression: syntax.Expression, count: int
) -> str | int | float | bool:
    found = raw_expression(evaluator, expression, count)
    if isinstance(found, ir.Literal):
        return found.value
    raise evaluator.refuse("entries here are values", expression)


_CALLED = {op.value: op for op in ir.UnaryOp if op not in (ir.UnaryOp.NEGATE, ir.UnaryOp.NOT)}
