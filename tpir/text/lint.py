"""Places where a reader of Python would group an expression otherwise than RASP does.

RASP keeps the precedence of the original (see ``rasp.lark``): ``not`` binds as tightly as a sign,
``^`` groups from the left, ``%`` stands between products and sums, comparisons do not chain,
``and`` and ``or`` bind alike, and ``in`` binds loosest of all. The tree says how a text was read;
an operand that Python would not group so without parentheses is reported.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from tpir.errors import TpirError
from tpir.ir.expressions import BinaryOp
from tpir.span import shortened
from tpir.text import syntax
from tpir.text.recursion import room_to_nest
from tpir.text.source import Source

_HOLD_NO_EXPRESSIONS = (
    syntax.HeaderItem,
    syntax.TableStatement,
    syntax.ReluStatement,
    syntax.Readout,
)


@dataclass(frozen=True)
class LintWarning:
    """An expression that Python would group otherwise.

    ``start`` and ``end`` are its character offsets. ``message`` is one line that says which rule
    is not Python's, ``suggestion`` the expression with the parentheses that say what it means.
    """

    start: int
    end: int
    message: str
    suggestion: str

    def at(self, source: Source) -> TpirError:
        """The warning as an error at its place; its text has the line and a caret."""
        note = f"this means {shortened(self.suggestion)}"
        return source.error(self.message, self.start, self.end, note)


def lint(file: syntax.File, source: Source) -> list[LintWarning]:
    """What a reader of Python would misread, in the order of the text.

    There is one warning for each expression that needs parentheses around operands of its own.
    Where such an operand needs some in turn, as in ``a < b < c < d``, one warning is for both.
    """
    with room_to_nest():
        return _lint(file, source)


def _lint(file: syntax.File, source: Source) -> list[LintWarning]:
    edges = [edge for node in _nodes(file) for edge in _misleading(node)]
    inner = {id(edge.operand) for edge in edges}
    outermost = {id(e.outer): e.outer for e in edges if id(e.outer) not in inner}
    by_outer: dict[int, list[_Edge]] = {}
    for edge in edges:
        by_outer.setdefault(id(edge.outer), []).append(edge)
    found = [_warning(node, by_outer, edges, source) for node in outermost.values()]
    return sorted(found, key=lambda warning: (warning.start, -warning.end))


def warn_or_raise(
    file: syntax.File, source: Source, *, strict: bool, warn: Callable[[str], None]
) -> None:
    """Give each warning's text, place and line included, to ``warn``.

    With ``strict`` raise a TpirError for the first one instead.
    """
    warnings = lint(file, source)
    if strict and warnings:
        error = warnings[0].at(source)
        more = len(warnings) - 1
        notes = (*error.notes, *([f"and {more} more like it: see tpir lint"] if more else []))
        raise TpirError(error.message, span=error.span, notes=notes)
    for warning in warnings:
        warn(f"warning: {warning.at(source)}")


# ---- operators and how Python binds them


class _Binds(IntEnum):
    """How tightly an operator binds in Python, the loosest first."""

    TERNARY = 0
    OR = 1
    AND = 2
    NOT = 3
    COMPARISON = 4
    SUM = 5
    PRODUCT = 6
    SIGN = 7
    POWER = 8
    ATOM = 9


@dataclass(frozen=True)
class _Operator:
    """An operator as Python has it; each operand with what has to bind to stand there bare."""

    name: str
    binds: _Binds
    operands: tuple[tuple[syntax.Syntax, _Binds], ...]


_BINARY = {
    BinaryOp.OR: (_Binds.OR, _Binds.OR, _Binds.AND),
    BinaryOp.AND: (_Binds.AND, _Binds.AND, _Binds.NOT),
    BinaryOp.ADD: (_Binds.SUM, _Binds.SUM, _Binds.PRODUCT),
    BinaryOp.SUBTRACT: (_Binds.SUM, _Binds.SUM, _Binds.PRODUCT),
    BinaryOp.MULTIPLY: (_Binds.PRODUCT, _Binds.PRODUCT, _Binds.SIGN),
    BinaryOp.DIVIDE: (_Binds.PRODUCT, _Binds.PRODUCT, _Binds.SIGN),
    BinaryOp.MODULO: (_Binds.PRODUCT, _Binds.PRODUCT, _Binds.SIGN),
    BinaryOp.POWER: (_Binds.POWER, _Binds.ATOM, _Binds.SIGN),
}
_COMPARISON = (_Binds.COMPARISON, _Binds.SUM, _Binds.SUM)
"""How each operator binds, and what its left and its right operand have to."""


def _operator(node: syntax.Syntax) -> _Operator | None:
    """The operator at a node; None for names, calls, parentheses and all else that stands alone."""
    match node:
        case syntax.Unary(op=syntax.Sign.NOT, operand=operand):
            return _Operator("not", _Binds.NOT, ((operand, _Binds.NOT),))
        case syntax.Unary(op=op, operand=operand):
            return _Operator(f"the sign {op.value}", _Binds.SIGN, ((operand, _Binds.SIGN),))
        case syntax.Binary(op=op, left=left, right=right):
            binds, *sides = _BINARY.get(op, _COMPARISON)
            return _Operator(op.value, binds, ((left, sides[0]), (right, sides[1])))
        case syntax.IfElse(then=then, condition=condition, otherwise=otherwise):
            parts = ((then, _Binds.OR), (condition, _Binds.OR), (otherwise, _Binds.TERNARY))
            return _Operator("if … else", _Binds.TERNARY, parts)
        case syntax.Contains(element=element, container=container):
            operands = ((element, _Binds.SUM), (container, _Binds.SUM))
            return _Operator("in", _Binds.COMPARISON, operands)
        case (
            syntax.ListComprehension(iterable=iterable)
            | syntax.DictComprehension(iterable=iterable)
        ):
            return _Operator("for … in", _Binds.ATOM, ((iterable, _Binds.OR),))
    return None


@dataclass(frozen=True)
class _Edge:
    """An operand without parentheses that Python would not take for one, and why RASP does."""

    outer: syntax.Syntax
    operand: syntax.Syntax
    rule: str


def _misleading(node: syntax.Syntax) -> Iterator[_Edge]:
    outer = _operator(node)
    for place, (operand, least) in enumerate(outer.operands if outer else ()):
        inner = _operator(operand)
        if outer and inner and inner.binds < least:
            yield _Edge(node, operand, _rule(outer, inner, place))


def _rule(outer: _Operator, inner: _Operator, place: int) -> str:
    """Why RASP takes ``inner`` for an operand of ``outer``, the one at ``place``."""
    names = {outer.name, inner.name}
    if names == {"if … else"} and place == 1:
        return "a condition may be an if … else of its own"
    if (len(names) == 1 and outer.binds != _Binds.COMPARISON) or names == {"in"}:
        return f"{outer.name} groups from the left"
    if names == {"and", "or"}:
        return "and and or bind alike, from left to right"
    if outer.binds == inner.binds == _Binds.COMPARISON and "in" not in names:
        return "comparisons do not chain"
    if outer.binds == _Binds.SIGN:
        return f"{inner.name} binds as tightly as {outer.name}"
    return f"{inner.name} binds tighter than {outer.name}"


# ---- from edges to warnings


def _warning(
    outer: syntax.Syntax, by_outer: dict[int, list[_Edge]], edges: list[_Edge], source: Source
) -> LintWarning:
    """One warning for an expression and what needs parentheses in turn within its operands."""
    rules: dict[str, None] = {}
    waiting = [outer]
    while waiting:
        for edge in by_outer.get(id(waiting.pop()), ()):
            rules[edge.rule] = None
            waiting.append(edge.operand)
    inside = [
        e.operand for e in edges if outer.start <= e.operand.start < e.operand.end <= outer.end
    ]
    text = _with_parentheses(source, outer, inside)
    return LintWarning(outer.start, outer.end, f"{'; '.join(rules)}, unlike in Python", text)


def _with_parentheses(source: Source, whole: syntax.Syntax, operands: list[syntax.Syntax]) -> str:
    """The text of an expression on one line, without comments, these operands in parentheses."""
    marks = [(o.start, "(") for o in operands] + [(o.end, ")") for o in operands]
    cuts = [c.start for c in source.comments if whole.start <= c.start < whole.end]
    parts, place = [], whole.start
    for offset, mark in sorted([*marks, *((cut, "#") for cut in cuts)]):
        parts.append(source.text[place:offset])
        parts.append("" if mark == "#" else mark)
        place = offset if mark != "#" else source.text.find("\n", offset)
    parts.append(source.text[place : whole.end])
    return re.sub(r"[ \t\r]*\n\s*", " ", "".join(parts))


# ---- walking the tree


def _nodes(file: syntax.File) -> Iterator[syntax.Syntax]:
    """All syntax that can hold expressions, whatever its class: the fields of dataclasses."""
    waiting: list[object] = [file.statements]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting.extend(part)
        elif isinstance(part, syntax.Syntax) and not isinstance(part, _HOLD_NO_EXPRESSIONS):
            yield part
            waiting.extend(getattr(part, field.name) for field in dataclasses.fields(part))
