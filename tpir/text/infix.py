"""Operators of ``.rasp`` text, wherever they stand: between atoms, sequences and selectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tpir.ir import expressions as ir
from tpir.ir.ops import Always, And, Comparison, Map, Not, Or, Select, SelectorWidth
from tpir.ir.values import Value
from tpir.text import atoms, syntax
from tpir.text.open import OpenAggregate, OpenNode
from tpir.text.problems import Heading
from tpir.text.scope import Thing, describe_thing, is_atom, kind_of

if TYPE_CHECKING:
    from tpir.text.evaluate import Evaluator

Operands = dict[OpenNode, int]

_LONGEST_CHAIN = 32

DEEPEST = 64
"""Operators nest up to this depth in one node: deeper ones, such as long sums, become several."""


class Part:
    """An infix expression over sequences, in the making; ``title`` as the original would say it.

    ``depth``: how deeply operators nest in it, being made of these parts.
    """

    def __init__(self, expression: ir.Expression, title: str, *parts: Part | Thing) -> None:
        self.expression = expression
        self.title = title if len(title) <= 30 else "s-op"
        self.depth: int = 1 + max(
            (part.depth for part in parts if isinstance(part, Part)), default=-1
        )


def infix_part(
    evaluator: Evaluator, expression: syntax.Expression, operands: Operands
) -> Part | Thing:
    """What an operator makes of its operands, or what stands for something without one."""
    match expression:
        case syntax.Group(inner=inner):
            return evaluator.infix(inner, operands)
        case syntax.Unary(op=sign, operand=operand):
            return _unary(evaluator, expression, sign, evaluator.infix(operand, operands))
        case syntax.Binary(left=left, right=right):
            first = evaluator.infix(left, operands)
            return _binary(evaluator, expression, first, evaluator.infix(right, operands))
        case syntax.IfElse():
            return _if_else(evaluator, expression, operands)
        case syntax.Contains():
            return _contains(evaluator, expression, operands)
        case syntax.Index():
            return _index(evaluator, expression, operands)
        case syntax.Call(function=syntax.Name(text="round" | "indicator" as name)):
            return _rounded_or_indicator(evaluator, expression, name, operands)
    return evaluator.leaf(expression)


def _is_selector(thing: Part | Thing) -> bool:
    return isinstance(thing, OpenNode) and thing.is_selector


def _title(thing: Part | Thing) -> str:
    return thing.title if isinstance(thing, Part | OpenNode) else str(thing)


def _expression(evaluator: Evaluator, thing: Part | Thing, where: syntax.Syntax) -> ir.Expression:
    """A part or an atom as an expression."""
    if isinstance(thing, Part):
        return thing.expression
    if isinstance(thing, str | int | float):
        return ir.Literal(thing)
    raise evaluator.wrong(f"{kind_of(thing)} cannot be joined with a sequence", where)


# ---- one operand


def _unary(
    evaluator: Evaluator, where: syntax.Expression, sign: syntax.Sign, operand: Part | Thing
) -> Part | Thing:
    if isinstance(operand, Part):
        return _unary_part(sign, operand)
    if isinstance(operand, OpenNode):
        if sign is syntax.Sign.NOT:
            return evaluator.new(Not(), [operand], where, "plain select", is_selector=True)
        raise evaluator.wrong(f"{sign.value} expects a sequence, found a selector", where)
    try:
        return atoms.unary(sign, operand)
    except atoms.PythonProblem as problem:
        raise evaluator.wrong(str(problem), where) from None


def _unary_part(sign: syntax.Sign, operand: Part) -> Part:
    title = f"( {sign.value} {operand.title} )"
    match sign:
        case syntax.Sign.NOT:
            return Part(ir.Unary(ir.UnaryOp.NOT, operand.expression), title, operand)
        case syntax.Sign.MINUS:
            return Part(ir.Unary(ir.UnaryOp.NEGATE, operand.expression), title, operand)
    return Part(ir.Binary(ir.BinaryOp.ADD, ir.Literal(0), operand.expression), title, operand)


def _rounded_or_indicator(
    evaluator: Evaluator, call: syntax.Call, name: str, operands: Operands
) -> Part | Thing:
    if len(call.arguments) != 1 or isinstance(call.arguments[0], syntax.Keyword | syntax.Operator):
        raise evaluator.refuse(f"{name} takes one argument", call)
    operand = evaluator.infix(call.arguments[0], operands)
    if isinstance(operand, Part):
        title = f"I({operand.title})" if name == "indicator" else f"( round {operand.title} )"
        return Part(ir.Unary(ir.UnaryOp(name), operand.expression), title, operand)
    if name == "indicator":
        said = f"indicator operator expects s-op, got: {describe_thing(operand)}"
        message = f"indicator expects a sequence, found {kind_of(operand)}"
        raise evaluator.refuse(message, call, said=said)
    try:
        return atoms.rounded(operand)
    except atoms.PythonProblem as problem:
        raise evaluator.wrong(str(problem), call) from None


# ---- two operands


def _binary(
    evaluator: Evaluator, where: syntax.Binary, left: Part | Thing, right: Part | Thing
) -> Part | Thing:
    op = where.op
    if op is ir.BinaryOp.NOT_EQUAL:
        note = "!= is for select(…, …, !=), and for map"
        raise evaluator.refuse("there is no != between values: write not (a == b)", where, note)
    if _is_selector(left) or _is_selector(right):
        return _selectors(evaluator, where, left, right)
    if not isinstance(left, Part) and not isinstance(right, Part):
        try:
            found = atoms.binary(op, left, right)
        except atoms.PythonProblem as problem:
            raise evaluator.wrong(str(problem), where) from None
        size = sum(len(thing) for thing in (left, right, found) if isinstance(thing, str | list))
        evaluator.made(size, where)
        return found
    first = _expression(evaluator, left, where.left)
    second = _expression(evaluator, right, where.right)
    close = ")" if op in (ir.BinaryOp.AND, ir.BinaryOp.OR) else " )"
    sign = "pow" if op is ir.BinaryOp.POWER else op.value
    title = f"( {_title(left)} {sign} {_title(right)}{close}"
    return Part(ir.Binary(op, first, second), title, left, right)


def _selectors(
    evaluator: Evaluator, where: syntax.Binary, left: Part | Thing, right: Part | Thing
) -> OpenNode:
    op = where.op
    if op not in (ir.BinaryOp.AND, ir.BinaryOp.OR):
        said = f"Cannot apply {op.value} to selector(s)"
        raise evaluator.refuse(f"{op.value} cannot be applied to selectors", where, said=said)
    if isinstance(left, OpenNode) and isinstance(right, OpenNode):
        both = And() if op is ir.BinaryOp.AND else Or()
        return evaluator.new(both, [left, right], where, "plain select", is_selector=True)
    said = "Cannot apply and/or between selector and non-selector"
    raise evaluator.refuse(f"{op.value} cannot join a selector with a sequence", where, said=said)


# ---- choice


def _if_else(evaluator: Evaluator, where: syntax.IfElse, operands: Operands) -> Part | Thing:
    asked: Operands = {}
    condition = evaluator.infix(where.condition, asked)
    if not isinstance(condition, Part | OpenNode):
        return evaluator.infix(where.then if condition else where.otherwise, operands)
    then = evaluator.infix(where.then, operands)
    if isinstance(condition, Part):  # its operands come after those that stand before it
        new = {k: ir.Argument(operands.setdefault(n, len(operands))) for n, k in asked.items()}
        condition = Part(ir.renumbered(condition.expression, new), condition.title, condition)
    otherwise = evaluator.infix(where.otherwise, operands)
    parts = ((then, where.then), (condition, where.condition), (otherwise, where.otherwise))
    for part, place in parts:
        if _is_selector(part):
            message = "if … else joins sequences, this is a selector"
            raise evaluator.refuse(message, place, heading=Heading.WRONG)
    first, test, second = (_expression(evaluator, *part) for part in parts)
    title = f"{_title(then)} if {_title(condition)} else {_title(otherwise)}"
    return Part(ir.IfElse(first, test, second), title, then, condition, otherwise)


# ---- membership


def _contains(evaluator: Evaluator, where: syntax.Contains, operands: Operands) -> Part | Thing:
    element = evaluator.infix(where.element, operands)
    container = evaluator.value(where.container)
    if isinstance(element, Part):
        values = _atoms_of(evaluator, container, where)
        name = where.container
        shown = name.text if isinstance(name, syntax.Name) else str(container)
        title = f"{element.title} in {shown}"
        if not values:
            # The element is computed all the same: it may fail.
            never = ir.Unary(
                ir.UnaryOp.NOT, ir.Binary(ir.BinaryOp.EQUAL, *2 * (element.expression,))
            )
            return Part(never, title, element)
        tests = [ir.Binary(ir.BinaryOp.EQUAL, element.expression, ir.Literal(v)) for v in values]
        return Part(_any(tests), title, element)
    if not is_atom(element):
        said = f'"A in X" expects A to be s-op or atom, but got A: {describe_thing(element)}'
        message = f"in expects a sequence or an atom before it, found {kind_of(element)}"
        raise evaluator.refuse(message, where.element, said=said)
    if isinstance(container, list):
        evaluator.made(len(container), where)
        return element in container
    if isinstance(container, OpenNode) and not container.is_selector:
        return _somewhere(evaluator, where, element, container)
    said = f'"[atom] in X" expects X to be list or s-op, but got: {describe_thing(container)}'
    message = f"in expects a list or a sequence after it, found {kind_of(container)}"
    raise evaluator.refuse(message, where.container, said=said)


def _atoms_of(evaluator: Evaluator, container: Thing, where: syntax.Contains) -> list[Value]:
    if not isinstance(container, list):
        said = (
            '"[s-op] in X" expects X to be list of atoms, but got non-list: '
            f"{describe_thing(container)}"
        )
        message = f"in expects a list of atoms after it, found {kind_of(container)}"
        raise evaluator.refuse(message, where.container, said=said)
    evaluator.made(48 * len(container), where)  # each item takes a comparison
    values = [item for item in container if is_atom(item)]
    if len(values) < len(container):
        said = (
            '"[s-op] in X" expects X to be list of atoms, but got list with values: '
            f"{describe_thing(container)}"
        )
        raise evaluator.refuse("in expects a list of atoms after it", where.container, said=said)
    return values


def _any(tests: Sequence[ir.Expression]) -> ir.Expression:
    """Tests joined by ``or``; long lists as a tree, so that nothing nests deeply."""
    if len(tests) > _LONGEST_CHAIN:
        middle = len(tests) // 2
        return ir.Binary(ir.BinaryOp.OR, _any(tests[:middle]), _any(tests[middle:]))
    found = tests[0]
    for test in tests[1:]:
        found = ir.Binary(ir.BinaryOp.OR, found, test)
    return found


def _somewhere(
    evaluator: Evaluator, where: syntax.Contains, element: object, sequence: OpenNode
) -> OpenNode:
    """Whether an atom is anywhere in a sequence."""
    assert isinstance(element, str | int | float)
    wanted = evaluator.as_sequence(element, where)
    matching = evaluator.new(
        Select(Comparison(ir.BinaryOp.EQUAL)),
        [sequence, wanted],
        where,
        "plain select",
        is_selector=True,
    )
    count = evaluator.new(SelectorWidth(), [matching], where, "s-op")
    positive = ir.Binary(ir.BinaryOp.GREATER, ir.Argument(0), ir.Literal(0))
    return evaluator.new(Map(positive), [count], where, "s-op")


# ---- indexing


def _index(evaluator: Evaluator, where: syntax.Index, operands: Operands) -> Part | Thing:
    value = evaluator.value(where.value)
    if isinstance(value, OpenNode) and not value.is_selector:
        return _at_position(evaluator, where, value)
    if not isinstance(value, str | list | dict):
        said = (
            "can only index into a list, dict, string,or sequence, but instead got: "
            f"{describe_thing(value)}"
        )
        message = f"{kind_of(value)} has no entries: only lists, dictionaries, words and sequences"
        raise evaluator.refuse(message, where.value, said=said)
    index = evaluator.infix(where.index, operands)
    if isinstance(index, Part):
        return _entry_part(evaluator, where, value, index)
    if isinstance(value, dict):
        return _dict_entry(evaluator, where, value, index)
    kind = "list" if isinstance(value, list) else "string"
    if not isinstance(index, int):
        said = f"index into {kind} has to be s-op or integer, got: {describe_thing(index)}"
        message = f"the index of a {kind} is a whole number or a sequence, found {kind_of(index)}"
        raise evaluator.refuse(message, where.index, said=said)
    if not -len(value) <= index < len(value):
        said = f"index {index} out of range for {kind} of length {len(value)}"
        raise evaluator.refuse(said, where.index)
    return value[index]


def _dict_entry(
    evaluator: Evaluator, where: syntax.Index, value: dict[Value, Thing], index: Thing
) -> Thing:
    if not is_atom(index):
        said = (
            "index into dict has to be s-op or atom (i.e., string, int, float, bool), got: "
            f"{describe_thing(index)}"
        )
        message = f"the index of a dictionary is an atom or a sequence, found {kind_of(index)}"
        raise evaluator.refuse(message, where.index, said=said)
    if index not in value:
        said = f"index [ {describe_thing(index)} ] not in dict."
        raise evaluator.refuse(
            f"the dictionary has no entry {describe_thing(index)}", where.index, said=said
        )
    return value[index]


def _entry_part(
    evaluator: Evaluator,
    where: syntax.Index,
    value: str | list[Thing] | dict[Value, Thing],
    index: Part,
) -> Part:
    """Entries of a list, dictionary or word at each position."""
    evaluator.made(8 * len(value), where)
    items = list(value.values()) if isinstance(value, dict) else list(value)
    if not all(map(is_atom, items)) or not items:
        what = "holds nothing" if not items else "holds more than atoms"
        message = f"what is indexed by a sequence holds atoms; this {what}"
        raise evaluator.refuse(message, where.value)
    names = [p.text if isinstance(p, syntax.Name) else "out" for p in (where.value, where.index)]
    entries = tuple(item for item in items if isinstance(item, str | int | float))
    expression: ir.Expression
    if isinstance(value, dict):
        keys = tuple(key for key in value if isinstance(key, str | int | float))
        expression = ir.DictIndex(keys, entries, index.expression)
    else:
        expression = ir.ListIndex(entries, index.expression)
    return Part(expression, f"{names[0]}[{names[1]}]", index)


def _at_position(evaluator: Evaluator, where: syntax.Index, sequence: OpenNode) -> OpenNode:
    """``sequence[k]``: the value at one position, from the end where k is negative; 0 for none."""
    index = evaluator.value(where.index)
    if not isinstance(index, int):
        said = f"index into sequence has to be integer, got: {describe_thing(index)}"
        message = f"the index of a sequence is a whole number, found {kind_of(index)}"
        raise evaluator.refuse(message, where.index, said=said)
    wanted = evaluator.as_sequence(int(index), where.index)
    if index < 0:
        every = evaluator.new(
            Select(Always(True)),
            [evaluator.world.inputs["indices"]] * 2,
            where,
            "full_s",
            is_selector=True,
        )
        length = evaluator.new(SelectorWidth(), [every], where, "length")
        behind = ir.Binary(ir.BinaryOp.ADD, ir.Argument(0), ir.Literal(int(index)))
        wanted = evaluator.new(Map(behind), [length], where, f"length{index}")
    selector = evaluator.new(
        Select(Comparison(ir.BinaryOp.EQUAL)),
        [evaluator.world.inputs["indices"], wanted],
        where,
        f"load from {index}",
        is_selector=True,
    )
    title = f"{sequence.title}[{index}]"
    return evaluator.new(OpenAggregate(None), [selector, sequence], where, title)
