"""The functions of the language, each one from its call to what it stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tpir.ir.ops import (
    AggregateSum,
    Always,
    Choose,
    Comparison,
    Indices,
    Map,
    Order,
    Otherwise,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
)
from tpir.text import syntax
from tpir.text.atoms import MOST_ITEMS
from tpir.text.evaluate import Evaluator
from tpir.text.learned import (
    NamedTable,
    OpenReadout,
    RelationSelect,
    ReluMap,
    ScoredChoose,
    TableMap,
)
from tpir.text.map_expression import raw_expression
from tpir.text.open import OpenAggregate, OpenNode
from tpir.text.scope import Applied, Builtin, Thing, describe_thing, kind_of


def _arguments(
    evaluator: Evaluator, call: syntax.Call, least: int, most: int
) -> list[syntax.Expression]:
    """The arguments of a function that takes expressions only."""
    assert isinstance(call.function, syntax.Name)
    name, found = call.function.text, list[syntax.Expression]()
    for argument in call.arguments:
        if isinstance(argument, syntax.Keyword | syntax.Operator):
            raise evaluator.refuse(f"{name} does not take this argument", argument)
        found.append(argument)
    if not least <= len(found) <= most:
        expected = _counts(least, most)
        plural = "" if expected == "1" else "s"
        message = f"{name} takes {expected} argument{plural}, found {len(found)}"
        said = f"wrong number of inputs to {name}, expected: {expected}, got: {len(found)}"
        raise evaluator.refuse(message, call, said=said)
    return found


def _counts(least: int, most: int) -> str:
    match most - least:
        case 0:
            return str(least)
        case 1:
            return f"{least} or {most}"
        case 2:
            return f"{least}, {least + 1}, or {most}"
    return f"{least} or more"


def _tokens(evaluator: Evaluator, call: syntax.Call) -> Thing:
    _arguments(evaluator, call, 0, 0)
    return evaluator.new(Tokens(), (), call, "tokens")


def _indices(evaluator: Evaluator, call: syntax.Call) -> Thing:
    _arguments(evaluator, call, 0, 0)
    return evaluator.new(Indices(), (), call, "indices")


def _select(evaluator: Evaluator, call: syntax.Call) -> Thing:
    arguments = call.arguments
    if len(arguments) != 3 or isinstance(arguments[0], syntax.Keyword | syntax.Operator):
        raise evaluator.refuse("select takes keys, queries and a predicate", call)
    if isinstance(arguments[1], syntax.Keyword | syntax.Operator):
        raise evaluator.refuse("select takes keys, queries and a predicate", arguments[1])
    operands = [evaluator.sequence(arguments[0]), evaluator.sequence(arguments[1])]
    op = _predicate(evaluator, arguments[2])
    return evaluator.new(op, operands, call, "plain select", is_selector=True)


def _predicate(evaluator: Evaluator, argument: syntax.Argument) -> Select | RelationSelect:
    match argument:
        case syntax.Operator(op=op):
            return Select(Comparison(op))
        case syntax.Name():
            found = evaluator.lookup(argument)
            if isinstance(found, bool):
                return Select(Always(found))
            if isinstance(found, NamedTable) and isinstance(found.statement, syntax.TableStatement):
                return RelationSelect(found)
    message = "a predicate is == != < <= > >=, True, False or the name of a table"
    raise evaluator.refuse(message, argument)


def _aggregate(evaluator: Evaluator, call: syntax.Call) -> Thing:
    arguments = _arguments(evaluator, call, 2, 3)
    operands = [evaluator.selector(arguments[0]), evaluator.sequence(arguments[1])]
    default = evaluator.atom(arguments[2], "a default") if len(arguments) == 3 else None
    return evaluator.new(OpenAggregate(default), operands, call, "s-op")


def _aggregate_sum(evaluator: Evaluator, call: syntax.Call) -> Thing:
    selector, values = _arguments(evaluator, call, 2, 2)
    operands = [evaluator.selector(selector), evaluator.sequence(values)]
    return evaluator.new(AggregateSum(), operands, call, "s-op")


def _selector_width(evaluator: Evaluator, call: syntax.Call) -> Thing:
    (selector,) = _arguments(evaluator, call, 1, 1)
    thing = evaluator.value(selector)
    if not isinstance(thing, OpenNode) or not thing.is_selector:
        said = "Cannot apply and/or between selector and non-selector"
        message = f"selector_width expects a selector, found {kind_of(thing)}"
        raise evaluator.refuse(message, selector, said=said)
    return evaluator.new(SelectorWidth(), [thing], call, "s-op")


def _uniform(evaluator: Evaluator, call: syntax.Call) -> Thing:
    (values,) = _arguments(evaluator, call, 1, 1)
    return evaluator.new(Uniform(), [evaluator.sequence(values)], call, "s-op")


def _preferring(order: Preference) -> Run:
    def function(evaluator: Evaluator, call: syntax.Call) -> Thing:
        (selector,) = _arguments(evaluator, call, 1, 1)
        operands = [evaluator.selector(selector)]
        return evaluator.new(Choose(order), operands, call, "plain select", is_selector=True)

    return function


def _choose(evaluator: Evaluator, call: syntax.Call) -> Thing:
    arguments = call.arguments
    if not arguments or isinstance(arguments[0], syntax.Keyword | syntax.Operator):
        raise evaluator.refuse("choose takes a selector, and order=, score=, otherwise=", call)
    operands = [evaluator.selector(arguments[0])]
    order: Order = Preference.CLOSEST
    otherwise = Otherwise.FIRST
    score: NamedTable | None = None
    seen: set[str] = set()
    for argument in arguments[1:]:
        if not isinstance(argument, syntax.Keyword) or argument.name in seen:
            raise evaluator.refuse(
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
                raise evaluator.refuse(f"choose has no argument {name}", argument)
    chosen = Choose(order, None, otherwise)
    op = chosen if score is None else ScoredChoose(chosen, score)
    return evaluator.new(op, operands, call, "plain select", is_selector=True)


def _order(evaluator: Evaluator, expression: syntax.Expression) -> Order:
    names = {preference.value: preference for preference in Preference}
    if isinstance(expression, syntax.Name) and expression.text in names:
        return names[expression.text]
    if isinstance(expression, syntax.ListLiteral):
        offsets = [(item, evaluator.atom(item, "an offset")) for item in expression.items]
        for item, offset in offsets:
            if not isinstance(offset, int) or isinstance(offset, bool):
                raise evaluator.refuse("an offset is a whole number", item)
        found = tuple(offset for _, offset in offsets if isinstance(offset, int))
        for place, (item, _) in enumerate(offsets):
            if found[place] in found[:place]:
                raise evaluator.refuse(f"offset {found[place]} is listed twice", item)
        return found
    raise evaluator.refuse(
        "an order is closest, first, last or a list of offsets such as [-1, 1, 0]", expression
    )


def _otherwise(evaluator: Evaluator, expression: syntax.Expression) -> Otherwise:
    names = {otherwise.value: otherwise for otherwise in Otherwise}
    if isinstance(expression, syntax.Name) and expression.text in names:
        return names[expression.text]
    raise evaluator.refuse("otherwise is first or none", expression)


def _score(
    evaluator: Evaluator, expression: syntax.Expression
) -> tuple[NamedTable, list[OpenNode]]:
    match expression:
        case syntax.Call(function=syntax.Name() as name, arguments=(first, second)):
            if isinstance(first, syntax.Keyword | syntax.Operator):
                raise evaluator.refuse("a score takes keys and queries", first)
            if isinstance(second, syntax.Keyword | syntax.Operator):
                raise evaluator.refuse("a score takes keys and queries", second)
            found = evaluator.lookup(name)
            if isinstance(found, NamedTable) and isinstance(found.statement, syntax.TableStatement):
                return found, [evaluator.sequence(first), evaluator.sequence(second)]
    raise evaluator.refuse("a score is a table of scores applied to keys and queries", expression)


def _apply(evaluator: Evaluator, call: syntax.Call) -> Thing:
    """``name(operands)`` where the name is a table or a relu function."""
    table = evaluator.value(call.function)
    assert isinstance(table, NamedTable)
    operands: list[OpenNode] = []
    for argument in call.arguments:
        if isinstance(argument, syntax.Keyword | syntax.Operator):
            raise evaluator.refuse("a table is applied to sequences only", argument)
        operands.append(evaluator.sequence(argument))
    is_relu = isinstance(table.statement, syntax.ReluStatement)
    op = ReluMap(table) if is_relu else TableMap(table)
    return evaluator.new(op, operands, call, table.statement.name)


def _classify(evaluator: Evaluator, readout: syntax.Expression) -> Thing:
    """``classify { … }`` and ``classify_pooled … { … }``."""
    if not isinstance(readout, syntax.Readout):
        message = "a readout is written with braces: classify { labels {…}; bias […]; … }"
        raise evaluator.refuse(message, readout)
    operands: list[OpenNode] = []
    biases = 0
    for item in readout.items:
        if item.name is not None:
            operands.append(_feature(evaluator, item))
        elif isinstance(item.content, syntax.Weights | syntax.Zeros):
            biases += 1
            if biases > 1:
                raise evaluator.refuse("a readout has one bias", item)
    return evaluator.new(OpenReadout(readout, evaluator.world.labels), operands, readout, "s-op")


def _feature(evaluator: Evaluator, item: syntax.ReadoutItem) -> OpenNode:
    assert item.name is not None
    thing = evaluator.lookup(syntax.Name(item.start, item.end, item.name))
    if isinstance(thing, OpenNode) and not thing.is_selector:
        return thing
    raise evaluator.refuse(f"{item.name} is {kind_of(thing)}, not a sequence", item)


def _map(evaluator: Evaluator, call: syntax.Call) -> Thing:
    """``map(expression of $1 … $k, operands…)``: the expression as it stands, nothing computed."""
    function, *operands = _arguments(evaluator, call, 1, 2**16)
    nodes = [evaluator.sequence(operand) for operand in operands]
    return evaluator.new(Map(raw_expression(evaluator, function, len(nodes))), nodes, call, "s-op")


# ---- lists


def _range(evaluator: Evaluator, call: syntax.Call) -> Thing:
    values = [evaluator.value(argument) for argument in _arguments(evaluator, call, 1, 3)]
    bounds = [value for value in values if isinstance(value, int)]
    if len(bounds) < len(values):
        said = f"range expects all integer inputs, but got: {describe_thing(values)}"
        raise evaluator.refuse("range takes whole numbers", call, said=said)
    try:
        found = range(*bounds)
    except ValueError as error:
        raise evaluator.wrong(str(error), call) from None
    if max(abs(bound) for bound in bounds) > 2**62 or len(found) > MOST_ITEMS:
        raise evaluator.refuse("this range is too long", call)
    evaluator.made(len(found), call)
    return list(found)


def _zip(evaluator: Evaluator, call: syntax.Call) -> Thing:
    lists: list[list[Thing]] = []
    for number, argument in enumerate(_arguments(evaluator, call, 1, 2**16), start=1):
        thing = evaluator.value(argument)
        if not isinstance(thing, list):
            said = (
                f"attempting to zip lists, but {number} -th element is not list: "
                f"{describe_thing(thing)}"
            )
            raise evaluator.refuse(f"zip takes lists, found {kind_of(thing)}", argument, said=said)
        if lists and len(thing) != len(lists[0]):
            said = (
                f"attempting to zip lists of length {len(lists[0])} , "
                f"but {number} -th list has length {len(thing)}"
            )
            raise evaluator.refuse("zip takes lists of one length", argument, said=said)
        lists.append(thing)
        evaluator.made(8 * len(thing), call)  # each item takes a list of its own
    return [list(parts) for parts in zip(*lists, strict=True)]


def _len(evaluator: Evaluator, call: syntax.Call) -> Thing:
    (argument,) = _arguments(evaluator, call, 1, 1)
    thing = evaluator.value(argument)
    if not isinstance(thing, list):
        said = f"attempting to compute length of non-list: {describe_thing(thing)}"
        raise evaluator.refuse(f"len takes a list, found {kind_of(thing)}", argument, said=said)
    return len(thing)


# ---- pictures


def _draw(evaluator: Evaluator, call: syntax.Call) -> Thing:
    """``draw(sequence, input)``: at the prompt. In a program it draws nothing, and has to fit."""
    arguments = _arguments(evaluator, call, 1, 2)
    world, tokens = evaluator.world, None
    if len(arguments) == 2:
        tokens = evaluator.checked_input(evaluator.value(arguments[1]), arguments[1])
    with world.backed_by(tokens):
        thing = evaluator.value(arguments[0])
    if not isinstance(thing, OpenNode) or thing.is_selector:
        said = f"draw expects unfinished sequence, got: {describe_thing(thing)}"
        message = f"draw expects a sequence, found {kind_of(thing)}"
        raise evaluator.refuse(message, arguments[0], said=said)
    if world.draw is None:
        return Applied((), (), is_selector=False)
    return world.draw(thing, tokens)


Run = Callable[[Evaluator, syntax.Call], Thing]

_ALL: Sequence[tuple[str, str, Run]] = (
    ("tokens", "", _tokens),
    ("indices", "", _indices),
    ("select", "keys, queries, predicate", _select),
    ("aggregate", "selector, values, default", _aggregate),
    ("aggregate_sum", "selector, values", _aggregate_sum),
    ("selector_width", "sel", _selector_width),
    ("uniform", "values", _uniform),
    ("closest", "selector", _preferring(Preference.CLOSEST)),
    ("first", "selector", _preferring(Preference.FIRST)),
    ("last", "selector", _preferring(Preference.LAST)),
    ("choose", "selector, order, score, otherwise", _choose),
    ("map", "expression, operands", _map),
    ("apply", "table", _apply),
    ("classify", "", _classify),
    ("range", "start, stop, step", _range),
    ("zip", "lists", _zip),
    ("len", "list", _len),
    ("draw", "sequence, input", _draw),
)

BUILTINS: Mapping[str, Builtin] = {name: Builtin(name, given, run) for name, given, run in _ALL}
"""By name; ``apply`` (of a named table) and ``classify`` have a syntax of their own."""

BUILT_IN_NAMES = frozenset(BUILTINS) - {"apply", "classify"} | {"round", "indicator"}
