"""The functions that ``.rasp`` text can call, each one from its call to a node."""

from __future__ import annotations

from collections.abc import Mapping

from tpir.ir import expressions as ir
from tpir.ir.functions import ScoreTable
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    Choose,
    Comparison,
    Indices,
    Map,
    Order,
    Otherwise,
    Predicate,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Node
from tpir.ir.types import Selector, Width
from tpir.text import syntax
from tpir.text.evaluate import Atom, Evaluator, Function
from tpir.text.learned import apply_function, classify


def _call(expression: syntax.Expression) -> syntax.Call:
    assert isinstance(expression, syntax.Call)
    return expression


def _arguments(
    evaluator: Evaluator, call: syntax.Call, least: int, most: int
) -> list[syntax.Expression]:
    """The arguments of a function that takes expressions only."""
    assert isinstance(call.function, syntax.Name)
    name, found = call.function.text, list[syntax.Expression]()
    for argument in call.arguments:
        if isinstance(argument, syntax.Keyword | syntax.Operator):
            raise evaluator.error(f"{name} does not take this argument", argument)
        found.append(argument)
    if not least <= len(found) <= most:
        expected = f"{least}" if least == most else f"{least} to {most}"
        plural = "" if expected == "1" else "s"
        raise evaluator.error(f"{name} takes {expected} argument{plural}, found {len(found)}", call)
    return found


def _tokens(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    _arguments(evaluator, _call(call), 0, 0)
    return evaluator.add(Tokens(), (), call, root)


def _indices(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    _arguments(evaluator, _call(call), 0, 0)
    return evaluator.add(Indices(), (), call, root)


def _select(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    arguments = _call(call).arguments
    if len(arguments) != 3 or isinstance(arguments[0], syntax.Keyword | syntax.Operator):
        raise evaluator.error("select takes keys, queries and a predicate", call)
    if isinstance(arguments[1], syntax.Keyword | syntax.Operator):
        raise evaluator.error("select takes keys, queries and a predicate", arguments[1])
    keys, queries = evaluator.node(arguments[0]), evaluator.node(arguments[1])
    predicate = _predicate(evaluator, arguments[2], queries)
    return evaluator.add(Select(predicate), (keys, queries), call, root)


def _predicate(evaluator: Evaluator, argument: syntax.Argument, queries: Node) -> Predicate:
    match argument:
        case syntax.Operator(op=op):
            return Comparison(op)
        case syntax.Literal(value=bool() as truth):
            return Always(truth)
        case syntax.Name():
            found = evaluator.lookup(argument)
            if isinstance(found, syntax.TableStatement):
                return evaluator.rows.relation(found, evaluator.domain(queries, argument))
            if isinstance(found, Atom) and isinstance(found.value, bool):
                return Always(found.value)
    raise evaluator.error(
        "a predicate is == != < <= > >=, True, False or the name of a table", argument
    )


def _aggregate(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    arguments = _arguments(evaluator, _call(call), 2, 3)
    selector, values = evaluator.node(arguments[0]), evaluator.node(arguments[1])
    default = evaluator.atom(arguments[2], "a default") if len(arguments) == 3 else None
    if default is None and selector.type != Selector(Width.ONE):
        default = 0
    return evaluator.add(Aggregate(default), (selector, values), call, root)


def _aggregate_sum(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    selector, values = _arguments(evaluator, _call(call), 2, 2)
    operands = (evaluator.node(selector), evaluator.node(values))
    return evaluator.add(AggregateSum(), operands, call, root)


def _selector_width(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    (selector,) = _arguments(evaluator, _call(call), 1, 1)
    return evaluator.add(SelectorWidth(), (evaluator.node(selector),), call, root)


def _preferring(order: Preference) -> Function:
    def function(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
        (selector,) = _arguments(evaluator, _call(call), 1, 1)
        return evaluator.add(Choose(order), (evaluator.node(selector),), call, root)

    return function


def _choose(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    arguments = _call(call).arguments
    if not arguments or isinstance(arguments[0], syntax.Keyword | syntax.Operator):
        raise evaluator.error("choose takes a selector, and order=, score=, otherwise=", call)
    operands = [evaluator.node(arguments[0])]
    order: Order = Preference.CLOSEST
    otherwise, score = Otherwise.FIRST, None
    seen: set[str] = set()
    for argument in arguments[1:]:
        if not isinstance(argument, syntax.Keyword) or argument.name in seen:
            raise evaluator.error(
                "after the selector, choose takes order=, score= and otherwise=, each once",
                argument,
            )
        seen.add(argument.name)
        match argument.name:
            case "order":
                order = _order(evaluator, argument.value)
            case "otherwise":
                otherwise = _otherwise(evaluator, argument.value)
            case "score":
                score, pair = _score(evaluator, argument.value)
                operands.extend(pair)
            case name:
                raise evaluator.error(f"choose has no argument {name}", argument)
    return evaluator.add(Choose(order, score, otherwise), operands, call, root)


def _order(evaluator: Evaluator, expression: syntax.Expression) -> Order:
    names = {preference.value: preference for preference in Preference}
    if isinstance(expression, syntax.Name) and expression.text in names:
        return names[expression.text]
    if isinstance(expression, syntax.ListLiteral):
        offsets = [(item, evaluator.atom(item, "an offset")) for item in expression.items]
        for item, offset in offsets:
            if not isinstance(offset, int) or isinstance(offset, bool):
                raise evaluator.error("an offset is a whole number", item)
        return tuple(offset for _, offset in offsets if isinstance(offset, int))
    raise evaluator.error(
        "an order is closest, first, last or a list of offsets such as [-1, 1, 0]", expression
    )


def _otherwise(evaluator: Evaluator, expression: syntax.Expression) -> Otherwise:
    names = {otherwise.value: otherwise for otherwise in Otherwise}
    if isinstance(expression, syntax.Name) and expression.text in names:
        return names[expression.text]
    raise evaluator.error("otherwise is first or none", expression)


def _score(
    evaluator: Evaluator, expression: syntax.Expression
) -> tuple[ScoreTable, tuple[Node, Node]]:
    match expression:
        case syntax.Call(function=syntax.Name() as name, arguments=(first, second)):
            if isinstance(first, syntax.Keyword | syntax.Operator):
                raise evaluator.error("a score takes keys and queries", first)
            if isinstance(second, syntax.Keyword | syntax.Operator):
                raise evaluator.error("a score takes keys and queries", second)
            found = evaluator.lookup(name)
            if isinstance(found, syntax.TableStatement):
                keys, queries = evaluator.node(first), evaluator.node(second)
                table = evaluator.rows.score(
                    found, evaluator.domain(queries, second), evaluator.domain(keys, first)
                )
                return table, (keys, queries)
    raise evaluator.error("a score is a table of scores applied to keys and queries", expression)


def _map(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    """``map(expression of $1 … $k, operands…)``: the expression as it stands, nothing computed."""
    function, *operands = _arguments(evaluator, _call(call), 1, 2**16)
    nodes = [evaluator.node(operand) for operand in operands]
    return evaluator.add(Map(_raw(evaluator, function, len(nodes))), nodes, call, root)


def _raw(evaluator: Evaluator, expression: syntax.Expression, count: int) -> ir.Expression:
    def below(part: syntax.Expression) -> ir.Expression:
        return _raw(evaluator, part, count)

    match expression:
        case syntax.Literal(value=value):
            return ir.Literal(value)
        case syntax.Parameter(number=number):
            if not 1 <= number <= count:
                raise evaluator.error(f"${number}: this map has {count} operands", expression)
            return ir.Argument(number - 1)
        case syntax.Group(inner=inner):
            return below(inner)
        case syntax.Unary(op=ir.UnaryOp.NEGATE, operand=syntax.Literal(value=value)) if isinstance(
            value, int | float
        ) and not isinstance(value, bool):
            return ir.Literal(-value)  # a number with its sign; -(1) is the operator
        case syntax.Unary(op=op, operand=operand):
            return ir.Unary(op, below(operand))
        case syntax.Binary(op=op, left=left, right=right):
            return ir.Binary(op, below(left), below(right))
        case syntax.IfElse(then=then, condition=condition, otherwise=otherwise):
            return ir.IfElse(below(then), below(condition), below(otherwise))
        case syntax.Call(function=syntax.Name(text="indicator"), arguments=(argument,)) if (
            not isinstance(argument, syntax.Keyword | syntax.Operator)
        ):
            return ir.Unary(ir.UnaryOp.INDICATOR, below(argument))
    raise evaluator.error(
        "the first argument of map is made of $1, $2, …, values and operators", expression
    )


FUNCTIONS: Mapping[str, Function] = {
    "tokens": _tokens,
    "indices": _indices,
    "select": _select,
    "aggregate": _aggregate,
    "aggregate_sum": _aggregate_sum,
    "selector_width": _selector_width,
    "closest": _preferring(Preference.CLOSEST),
    "first": _preferring(Preference.FIRST),
    "last": _preferring(Preference.LAST),
    "choose": _choose,
    "map": _map,
    "apply": apply_function,
    "classify": classify,
}
"""By name; ``apply`` (of a named table) and ``classify`` have a syntax of their own."""

BUILT_IN_NAMES = frozenset(FUNCTIONS) - {"apply", "classify"} | {"indicator"}
