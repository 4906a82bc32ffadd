"""What a picture of a program shows: boxes, one for each variable, with selectors folded in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from tpir.ir.functions import FeatureWeights, Relation, Table, TableWeights
from tpir.ir.infer import describe
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Indices,
    Map,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Selector, number_bounds
from tpir.ir.values import show_value
from tpir.view.words import (
    map_summary,
    order_text,
    relation_rows,
    result_rows,
    selector_text,
    short_type,
    table_rows,
)

_ROWS = 4
"""Rows of a table or relation written in a box; the tooltip has more."""

_SIDE = 17
"""Characters of either side of a row in a box."""

_TOOLTIP_ROWS = 60
_FEATURES = 14
"""Features written in the box of a readout."""

_FOLDED = 3
"""A selector made of up to this many ``select`` is written inside the boxes that use it."""


class Kind(Enum):
    """What a box stands for; pictures give each a colour."""

    INPUT = "input"
    CHOICE = "value of a selected key"
    COUNT = "count or sum"
    MAP = "map"
    SELECTOR = "selector"
    READOUT = "readout"


class Role(Enum):
    """As what one variable is read by another; pictures give each a colour."""

    KEYS = "keys"
    QUERIES = "queries"
    VALUES = "values"
    ARGUMENT = "argument"
    FEATURE = "feature"
    SELECTOR = "selector"


@dataclass(frozen=True)
class Line:
    """One line of text in a box; with a role it names what is read in that role."""

    text: str
    role: Role | None = None


@dataclass(frozen=True)
class Box:
    """One variable. ``reads`` names other boxes; ``outputs`` the program's outputs it is."""

    name: str
    kind: Kind
    type: str
    lines: tuple[Line, ...]
    reads: tuple[tuple[Role, str], ...]
    tooltip: str
    layer: int | None
    outputs: tuple[str, ...]


def boxes_of(program: Program) -> tuple[Box, ...]:
    """The boxes of the nodes that the outputs reach, in topological order."""
    standing = [node for node in program.live if not _folds(node)]
    return tuple(_box(node, program) for node in standing)


def _folds(node: Node) -> bool:
    """Whether a node is written inside the boxes of its users and needs none of its own."""
    return isinstance(node.type, Selector) and _selects(node) <= _FOLDED


def _selects(node: Node) -> int:
    """How many ``select`` a selector is made of."""
    if isinstance(node.op, Select):
        return 1
    return sum(_selects(o) for o in node.operands if isinstance(o.type, Selector))


def _box(node: Node, program: Program) -> Box:
    lines, kind = _content(node)
    outputs = tuple(name for name, output in program.outputs.items() if output is node)
    return Box(
        node.name,
        kind,
        short_type(node.type),
        tuple(lines),
        tuple(dict.fromkeys(_reads(node))),
        tooltip(node),
        node.origin.layer if node.origin else None,
        outputs,
    )


def _content(node: Node) -> tuple[list[Line], Kind]:
    names = [operand.name for operand in node.operands]
    match node.op:
        case Tokens():
            return [Line("the input token")], Kind.INPUT
        case Indices():
            return [Line("the position, from 0")], Kind.INPUT
        case Map():
            return _map_lines(node.op, names), Kind.MAP
        case Uniform():
            return [Line(f"{names[0]}, all words or none")], Kind.MAP
        case Aggregate() | AggregateSum():
            sums = isinstance(node.op, AggregateSum)
            lines = [*_selector_lines(node.operands[0]), Line(f"values  {names[1]}", Role.VALUES)]
            lines.append(Line(_aggregate_rule(node)))
            lines.extend(_predicate_lines(node.operands[0]))
            return lines, Kind.COUNT if sums else Kind.CHOICE
        case SelectorWidth():
            lines = [*_selector_lines(node.operands[0]), Line("how many keys match")]
            return [*lines, *_predicate_lines(node.operands[0])], Kind.COUNT
        case Classify() | ClassifyPooled():
            return _readout_lines(node), Kind.READOUT
    return [Line(selector_text(node))], Kind.SELECTOR


def _map_lines(op: Map, names: list[str]) -> list[Line]:
    lines = [Line(f"of {name}", Role.ARGUMENT) for name in dict.fromkeys(names)]
    lines.append(Line(map_summary(op, names)))
    if isinstance(op.function, Table) and op.function.arity:
        one = op.function.arity == 1
        lines.extend(_shown_rows(table_rows(op.function) if one else result_rows(op.function)))
    return lines


def _aggregate_rule(node: Node) -> str:
    selector = node.operands[0]
    if isinstance(node.op, AggregateSum):
        return "sum over all keys that match"
    assert isinstance(node.op, Aggregate)
    default = "" if node.op.default is None else f", else {show_value(node.op.default)}"
    if isinstance(selector.op, Choose):
        return order_text(selector.op).removesuffix(", else none") + default
    return f"mean over keys that match{default}"


def _match(selector: Node) -> Node | None:
    """The plain ``select`` that a folded selector comes down to, if it is one."""
    if isinstance(selector.op, Choose):
        return _match(selector.operands[0])
    return selector if isinstance(selector.op, Select) else None


def _selector_lines(selector: Node) -> list[Line]:
    """What the selector reads, one line for each role, and what its score reads."""
    lines = _condition_lines(selector)
    if _folds(selector) and isinstance(selector.op, Choose) and selector.op.score is not None:
        keys, queries = selector.operands[1:]
        lines.append(Line(f"score of keys    {keys.name}", Role.KEYS))
        lines.append(Line(f"     and queries {queries.name}", Role.QUERIES))
    return lines


def _condition_lines(selector: Node) -> list[Line]:
    if not _folds(selector):
        return [Line(f"where   {selector.name}", Role.SELECTOR)]
    match = _match(selector)
    if match is None:
        inner = selector.operands[0] if isinstance(selector.op, Choose) else selector
        return [Line(f"where   {selector_text(inner)}")]
    assert isinstance(match.op, Select)
    if isinstance(match.op.predicate, Always):
        return [Line(f"where   {selector_text(match)}")]
    keys, queries = match.operands
    return [Line(f"keys    {keys.name}", Role.KEYS), Line(f"queries {queries.name}", Role.QUERIES)]


def _predicate_lines(selector: Node) -> list[Line]:
    """The condition that the keys and queries of a folded selector meet."""
    match = _match(selector) if _folds(selector) else None
    if match is None or not isinstance(match.op, Select):
        return []
    match match.op.predicate:
        case Comparison(op):
            return [Line(f"match: key {op.value} query")]
        case Relation() as relation:
            return [Line("match: query → key"), *_shown_rows(relation_rows(relation))]
    return []


def _shown_rows(rows: list[tuple[str, str]]) -> list[Line]:
    if len(rows) > _ROWS + 1:
        left_out = len(rows) - _ROWS
        return [*_shown_rows(rows[:_ROWS]), Line(f"  … {left_out} more")]
    return [Line(f"  {_short(left)} → {_short(right)}") for left, right in rows]


def _short(text: str) -> str:
    """One side of a row, so that both sides fit in a box."""
    return text if len(text) <= _SIDE else text[: _SIDE - 1].rstrip(" ,") + "…"


def _readout_lines(node: Node) -> list[Line]:
    op = node.op
    assert isinstance(op, Classify | ClassifyPooled)
    pooled = f", pooled over {op.over.value} positions" if isinstance(op, ClassifyPooled) else ""
    lines = [
        Line(f"highest of {len(op.labels)} labels{pooled}"),
        Line("how far each feature can move one label"),
        Line("against another:"),
    ]
    swings = [(swing(w, o), o.name) for w, o in zip(op.weights, node.operands, strict=True)]
    swings.sort(key=lambda pair: (-pair[0], pair[1]))
    widest = max((len(name) for _, name in swings), default=0)
    top = max((amount for amount, _ in swings), default=0.0)
    for amount, name in swings[:_FEATURES]:
        bar = "▇" * round(12 * amount / top) if 0 < top < float("inf") else ""
        lines.append(Line(f"{name:<{widest}} {_amount(amount):>6} {bar}", Role.FEATURE))
    if len(swings) > _FEATURES:
        lines.append(Line(f"… {len(swings) - _FEATURES} more"))
    return lines


def _amount(amount: float) -> str:
    if amount == float("inf"):
        return "any"
    return f"{amount:,.0f}" if amount >= 1000 else f"{amount:.3g}"


def swing(weights: FeatureWeights, feature: Node) -> float:
    """The most that one feature can move one label's logit against another's.

    Infinite for a number without bounds that weighs labels differently.
    """
    if isinstance(weights, TableWeights):
        columns = list(zip(*weights.rows, strict=True))
        return max((_spread(a, b) for k, a in enumerate(columns) for b in columns[:k]), default=0.0)
    bounds = number_bounds(feature.type)
    difference = max(weights.row, default=0.0) - min(weights.row, default=0.0)
    return difference * (bounds[1] - bounds[0]) if bounds is not None and difference else 0.0


def _spread(left: tuple[float, ...], right: tuple[float, ...]) -> float:
    differences = [a - b for a, b in zip(left, right, strict=True)]
    return max(differences) - min(differences)


def _reads(node: Node) -> Iterable[tuple[Role, str]]:
    """The boxes a box reads, those of folded selectors among them."""
    roles = _operand_roles(node)
    for role, operand in zip(roles, node.operands, strict=True):
        if isinstance(operand.type, Selector) and _folds(operand):
            yield from _reads(operand)
        else:
            yield role, operand.name


def _operand_roles(node: Node) -> list[Role]:
    match node.op:
        case Select():
            return [Role.KEYS, Role.QUERIES]
        case Choose(score=score):
            return [Role.SELECTOR] + ([] if score is None else [Role.KEYS, Role.QUERIES])
        case Aggregate() | AggregateSum():
            return [Role.SELECTOR, Role.VALUES]
        case Classify() | ClassifyPooled():
            return [Role.FEATURE] * len(node.operands)
        case Map() | Uniform():
            return [Role.ARGUMENT] * len(node.operands)
    return [Role.SELECTOR] * len(node.operands)


def tooltip(node: Node) -> str:
    """All that a box leaves out: full type, origin, and the rows of tables."""
    lines = [f"{node.name}: {describe(node.op)} → {node.type}"]
    if node.origin is not None and str(node.origin):
        lines.append(f"from {node.origin}")
    rows: list[tuple[str, str]] = []
    for found in (node, *(o for o in node.operands if isinstance(o.type, Selector))):
        match = _match(found) if isinstance(found.type, Selector) else found
        if match is None:
            continue
        if isinstance(match.op, Select) and isinstance(match.op.predicate, Relation):
            rows = relation_rows(match.op.predicate)
        elif isinstance(match.op, Map) and isinstance(match.op.function, Table):
            rows = table_rows(match.op.function)
    lines.extend(f"{left} → {right}" for left, right in rows[:_TOOLTIP_ROWS])
    if len(rows) > _TOOLTIP_ROWS:
        lines.append(f"… {len(rows) - _TOOLTIP_ROWS} more rows")
    return "\n".join(lines)
