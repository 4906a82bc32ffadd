"""Short texts for people: types, finite functions and selectors in a few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

from tpir.ir.expressions import (
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
from tpir.ir.functions import Relation, ReluFunction, Table
from tpir.ir.ops import (
    Always,
    And,
    Choose,
    Comparison,
    Map,
    Not,
    Op,
    Or,
    Otherwise,
    Preference,
    Select,
)
from tpir.ir.program import Node
from tpir.ir.types import Categorical, Integer, Pooled, Selector, Type, Width
from tpir.ir.values import Value, show_value, value_key

_FEW = 4
"""Sets of values up to this size are written out."""

_KEYS = {Width.ONE: "one key", Width.AT_MOST_ONE: "one key or none", Width.MANY: "keys"}

_DOTTED = 3
"""Runs of integers from this length on are written with dots."""


def short_type(type_: Type) -> str:
    """A type in at most a few words: ``0..7``, ``7 values``, ``one key``."""
    match type_:
        case Categorical(domain) | Pooled(domain):
            pooled = "pooled " if isinstance(type_, Pooled) else ""
            if len(domain) > _FEW:
                return f"{pooled}{len(domain)} values"
            return pooled + "{" + values_text(domain) + "}"
        case Integer(lo, hi):
            return f"{lo}..{hi}"
        case Selector(width):
            return _KEYS[width]
    return str(type_)


def values_text(values: Sequence[Value]) -> str:
    """Values with commas between, runs of integers as ``0..5``."""
    parts: list[str] = []
    place = 0
    while place < len(values):
        run = _run_of_integers(values, place)
        if run >= _DOTTED:
            parts.append(f"{values[place]}..{values[place + run - 1]}")
        else:
            run = 1
            parts.append(show_value(values[place]))
        place += run
    return ", ".join(parts)


def _run_of_integers(values: Sequence[Value], start: int) -> int:
    """How many values from ``start`` on are consecutive integers."""
    end = start
    while end < len(values) and type(values[end]) is int:
        if end > start and values[end] != values[end - 1] + 1:  # type: ignore[operator]
            break
        end += 1
    return end - start


def relation_rows(relation: Relation) -> list[tuple[str, str]]:
    """Rows of query values and key values in words; queries with the same keys share a row."""
    groups: dict[tuple[object, ...], tuple[list[Value], tuple[Value, ...]]] = {}
    for query, row in zip(relation.queries, relation.rows, strict=True):
        groups.setdefault(tuple(map(value_key, row)), ([], row))[0].append(query)
    return [
        (values_text(queries), values_text(row) if row else "none")
        for queries, row in groups.values()
    ]


def table_rows(table: Table) -> list[tuple[str, str]]:
    """Rows of arguments and result in words; arguments with the same result share a row."""
    if table.arity == 1:
        groups: dict[object, tuple[list[Value], Value]] = {}
        for argument, result in zip(table.domains[0], table.results, strict=True):
            groups.setdefault(value_key(result), ([], result))[0].append(argument)
        return [(values_text(args), show_value(result)) for args, result in groups.values()]
    return [
        (", ".join(map(show_value, row)), show_value(result))
        for row, result in zip(product(*table.domains), table.results, strict=True)
    ]


def result_rows(table: Table) -> list[tuple[str, str]]:
    """In how many rows each result stands, the most frequent first."""
    counts = Counter(map(show_value, table.results))
    return [(_rows(count), result) for result, count in counts.most_common()]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


_BINDING = {
    BinaryOp.OR: 1,
    BinaryOp.AND: 2,
    BinaryOp.ADD: 5,
    BinaryOp.SUBTRACT: 5,
    BinaryOp.MULTIPLY: 6,
    BinaryOp.DIVIDE: 6,
    BinaryOp.MODULO: 6,
    BinaryOp.POWER: 8,
}
_COMPARING, _PREFIX, _ATOM = 4, 7, 9


def expression_text(expression: Expression, names: Sequence[str]) -> str:
    """An expression with the names of its operands, in the spelling of ``.rasp``."""
    return _expression(expression, names)[0]


def _expression(expression: Expression, names: Sequence[str]) -> tuple[str, int]:
    """The text and how strongly its outermost operator binds."""
    match expression:
        case Argument(index):
            return names[index], _ATOM
        case Literal(value):
            return show_value(value), _ATOM
        case Unary(op, operand) if op not in (UnaryOp.NOT, UnaryOp.NEGATE):
            return f"{op.value}({expression_text(operand, names)})", _ATOM
        case Unary(op, operand):
            space = " " if op is UnaryOp.NOT else ""
            return f"{op.value}{space}{_inside(operand, names, _PREFIX)}", _PREFIX
        case Binary(op, left, right):
            binding = _BINDING.get(op, _COMPARING)
            first, second = _inside(left, names, binding), _inside(right, names, binding + 1)
            return f"{first} {op.value} {second}", binding
        case ListIndex(items, index):
            shown = ", ".join(map(show_value, items))
            return f"[{shown}][{expression_text(index, names)}]", _ATOM
        case DictIndex(keys, items, index):
            pairs = zip(keys, items, strict=True)
            shown = ", ".join(f"{show_value(k)}: {show_value(v)}" for k, v in pairs)
            return f"{{{shown}}}[{expression_text(index, names)}]", _ATOM
        case IfElse(then, condition, otherwise):
            parts = [_inside(part, names, 1) for part in (then, condition, otherwise)]
            return f"{parts[0]} if {parts[1]} else {parts[2]}", 0


def _inside(expression: Expression, names: Sequence[str], binding: int) -> str:
    text, found = _expression(expression, names)
    return text if found >= binding else f"({text})"


def map_summary(op: Map, names: Sequence[str]) -> str:
    """What a map computes, on one line."""
    match op.function:
        case Table() as table:
            if table.arity == 0:
                return f"always {show_value(table.results[0])}"
            return f"table of {_rows(len(table.results))}"
        case ReluFunction() as function:
            return f"relu function, {len(function.b)} hidden"
    return expression_text(op.function, names)


def order_text(op: Choose) -> str:
    """Which of the selected keys ``choose`` takes."""
    if isinstance(op.order, Preference):
        order = op.order.value
    elif op.order:
        listed = " ".join(f"{offset:+d}" for offset in op.order[:_FEW])
        order = f"offset {listed}" + (" …" if len(op.order) > _FEW else "")
    else:
        order = "first"
    best = "best score, " if op.score is not None else ""
    return best + order + (", else first" if op.otherwise is Otherwise.FIRST else ", else none")


def selector_text(node: Node) -> str:
    """The condition under which query position i selects key position j, on one line."""
    match node.op:
        case Select(predicate):
            keys, queries = f"{node.operands[0].name}[j]", f"{node.operands[1].name}[i]"
            match predicate:
                case Always(truth):
                    return "every j" if truth else "no j"
                case Comparison(op):
                    return f"{keys} {op.value} {queries}"
            return f"{keys} in {len(predicate.rows)} rows[{queries}]"
        case And() | Or():
            word = "and" if isinstance(node.op, And) else "or"
            return f" {word} ".join(_operand_text(o, node.op) for o in node.operands)
        case Not():
            return f"not {_operand_text(node.operands[0], node.op)}"
        case Choose():
            return f"{order_text(node.op)} of {_operand_text(node.operands[0], node.op)}"
    return node.name


def _operand_text(node: Node, outer: Op) -> str:
    text = selector_text(node)
    simple = isinstance(node.op, Select) or type(node.op) is type(outer)
    return text if simple and not isinstance(outer, Not) else f"({text})"
