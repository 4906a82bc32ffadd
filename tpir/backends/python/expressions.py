"""Scalar expressions as Python expressions, with guards only where a value could make them fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tpir.backends.python.layout import INDENT, Code, assign, literal, values_tuple
from tpir.backends.python.tables import dictionary
from tpir.ir.expression_failures import expression_fails
from tpir.ir.expression_types import type_of_expression
from tpir.ir.expressions import (
    ARITHMETIC,
    LONGEST_WORD,
    ORDERINGS,
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
from tpir.ir.types import Bool, Categorical, Integer, Type, is_integral, number_bounds
from tpir.ir.types import Sequence as SequenceType

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _UNARY, _ATOM = range(1, 9)
_LEVELS = {
    BinaryOp.OR: _OR,
    BinaryOp.AND: _AND,
    BinaryOp.ADD: _SUM,
    BinaryOp.SUBTRACT: _SUM,
    BinaryOp.MULTIPLY: _PRODUCT,
    BinaryOp.DIVIDE: _PRODUCT,
    BinaryOp.MODULO: _PRODUCT,
}
GUARDED = {
    BinaryOp.ADD: "add",
    BinaryOp.SUBTRACT: "subtract",
    BinaryOp.MULTIPLY: "multiply",
    BinaryOp.DIVIDE: "divide",
    BinaryOp.MODULO: "modulo",
    BinaryOp.POWER: "power",
    BinaryOp.LESS: "less",
    BinaryOp.LESS_EQUAL: "at_most",
    BinaryOp.GREATER: "greater",
    BinaryOp.GREATER_EQUAL: "at_least",
}
"""The helpers that raise Failure where the bare operator would not, or would raise otherwise."""

_WORDED = {BinaryOp.ADD: "join", BinaryOp.MULTIPLY: "repeat"}
"""What they are where operands may be words."""

_GUARDED_UNARY = {UnaryOp.ROUND: "rounded", UnaryOp.INT: "to_int", UnaryOp.FLOAT: "to_float"}

SHORT = 60
"""Subexpressions up to this many characters stay on one line of a longer function."""


@dataclass
class Scalars:
    """Writes expressions over arguments of known names and types.

    ``use`` is told each helper; ``constant`` gives a name to a value of the module.
    """

    arguments: Sequence[str]
    types: tuple[Type, ...]
    use: Callable[[str], str]
    constant: Callable[[Code], str]
    _count: int = field(default=0, init=False)
    _texts: dict[int, tuple[str, int]] = field(default_factory=dict, init=False)
    _found: dict[int, SequenceType] = field(default_factory=dict, init=False)

    def inline(self, expression: Expression) -> str:
        """The expression as one Python expression."""
        return self._text(expression)[0]

    def function_body(self, expression: Expression) -> list[str]:
        """Statements that return the value, for expressions too long for one line."""
        return self._returning(expression, 1)

    # One line: text and how tightly it binds.

    def _text(self, expression: Expression) -> tuple[str, int]:
        if id(expression) not in self._texts:
            self._texts[id(expression)] = self._written(expression)
        return self._texts[id(expression)]

    def _type(self, expression: Expression) -> SequenceType:
        if id(expression) not in self._found:
            self._found[id(expression)] = type_of_expression(expression, self.types)
        return self._found[id(expression)]

    def _written(self, expression: Expression) -> tuple[str, int]:
        match expression:
            case Argument(index):
                return self.arguments[index], _ATOM
            case Literal(value):
                text = literal(value)
                return text, _UNARY if text.startswith("-") else _ATOM
            case Unary(op, operand):
                return self._unary(op, operand, self._text(operand))
            case Binary(op, left, right):
                return self._binary(op, (left, right), self._text(left), self._text(right))
            case IfElse(then, condition, otherwise):
                parts = [_at(self._text(then), _OR), self._condition(condition)]
                parts.append(_at(self._text(otherwise), _OR))
                return f"{parts[0]} if {parts[1]} else {parts[2]}", 0
            case ListIndex(items, index):
                return self._entry(expression, values_tuple(items), index)
            case DictIndex(keys, items, index):
                table = dictionary(keys, [literal(item) for item in items])
                return self._entry(expression, table, index)

    def _entry(self, expression: Expression, table: Code, index: Expression) -> tuple[str, int]:
        name, text = self.constant(table), self._text(index)[0]
        if not expression_fails(expression, self.types):
            return f"{name}[{text}]", _ATOM
        helper = "entry" if isinstance(expression, DictIndex) else "item"
        return f"{self.use(helper)}({name}, {text})", _ATOM

    def _condition(self, expression: Expression) -> str:
        return _at(self._text(expression), _OR)

    def _truth(self, expression: Expression, text: tuple[str, int]) -> tuple[str, int]:
        if isinstance(self._type(expression), Bool):
            return text
        return f"bool({text[0]})", _ATOM

    def _unary(self, op: UnaryOp, operand: Expression, text: tuple[str, int]) -> tuple[str, int]:
        if op is UnaryOp.NOT:
            return f"not {_at(text, _NOT + 1)}", _NOT
        if op is UnaryOp.INDICATOR:
            return f"int({self._truth(operand, text)[0]})", _ATOM
        if op is UnaryOp.TRUTH:
            return self._truth(operand, text)
        found = self._type(operand)
        if op is UnaryOp.WORD:
            return f"str({text[0]})", _ATOM
        if op in _GUARDED_UNARY:
            safe = isinstance(found, Integer | Bool) and op is not UnaryOp.FLOAT
            name = "int" if safe else self.use(_GUARDED_UNARY[op])
            return f"{name}({text[0]})", _ATOM
        if number_bounds(found) is None:
            text = f"{self.use('number')}({text[0]})", _ATOM
        return f"-{_at(text, _ATOM)}", _UNARY

    def _binary(
        self,
        op: BinaryOp,
        operands: tuple[Expression, Expression],
        left: tuple[str, int],
        right: tuple[str, int],
    ) -> tuple[str, int]:
        if op in (BinaryOp.AND, BinaryOp.OR):
            level = _LEVELS[op]
            first, second = self._truth(operands[0], left), self._truth(operands[1], right)
            return f"{_at(first, level)} {op.value} {_at(second, level + 1)}", level
        types = [self._type(e) for e in operands]
        if not is_safe(op, types[0], types[1]):
            worded = any(True in _kinds(t) for t in types)
            helper = _WORDED.get(op, GUARDED[op]) if worded else GUARDED[op]
            return f"{self.use(helper)}({left[0]}, {right[0]})", _ATOM
        level = _LEVELS.get(op, _COMPARE)
        lowest = level + 1 if level == _COMPARE else level
        return f"{_at(left, lowest)} {op.value} {_at(right, level + 1)}", level

    # Several lines: what is long goes into variables, what must wait stands under an ``if``.

    def _returning(self, expression: Expression, indent: int) -> list[str]:
        margin = INDENT * indent
        if isinstance(expression, IfElse):
            lines, condition = self._parts([expression.condition], indent)
            guard = _at(condition[0], _OR)
            lines.append(f"{margin}if {guard}:")
            lines += self._returning(expression.then, indent + 1)
            return lines + self._returning(expression.otherwise, indent)
        lines, result = self._name(expression, indent)
        return [*lines, f"{margin}return {result}"]

    def _parts(
        self, parts: Sequence[Expression], indent: int
    ) -> tuple[list[str], list[tuple[str, int]]]:
        """Each part as a short expression, after the lines that compute it."""
        lines: list[str] = []
        texts: list[tuple[str, int]] = []
        short = all(len(self._text(p)[0]) <= SHORT // len(parts) for p in parts)
        for part in parts:
            if short or isinstance(part, Argument):
                texts.append(self._text(part))
            else:
                more, name = self._name(part, indent)
                lines += more
                texts.append((name, _ATOM))
        return lines, texts

    def _name(self, expression: Expression, indent: int) -> tuple[list[str], str]:
        """Lines that put the value into a new variable, and its name."""
        name = f"value_{self._count}"
        self._count += 1
        return self._storing(expression, name, indent), name

    def _storing(self, expression: Expression, name: str, indent: int) -> list[str]:
        margin = INDENT * indent
        text = self._text(expression)[0]
        match expression:
            case Binary(BinaryOp.AND | BinaryOp.OR as op, left, right) if len(text) > SHORT:
                lines, first = self._parts([left], indent)
                lines += assign(name, self._truth(left, first[0])[0], indent=indent)
                lines.append(f"{margin}if {'not ' if op is BinaryOp.OR else ''}{name}:")
                more, second = self._parts([right], indent + 1)
                return (
                    lines + more + assign(name, self._truth(right, second[0])[0], indent=indent + 1)
                )
            case IfElse(then, condition, otherwise) if len(text) > SHORT:
                lines, first = self._parts([condition], indent)
                lines.append(f"{margin}if {_at(first[0], _OR)}:")
                lines += self._storing(then, name, indent + 1)
                lines.append(f"{margin}else:")
                return lines + self._storing(otherwise, name, indent + 1)
            case Unary(op, operand) if len(text) > SHORT:
                lines, parts = self._parts([operand], indent)
                return lines + assign(name, self._unary(op, operand, parts[0])[0], indent=indent)
            case Binary(op, left, right) if len(text) > SHORT:
                lines, parts = self._parts([left, right], indent)
                text = self._binary(op, (left, right), parts[0], parts[1])[0]
                return lines + assign(name, text, indent=indent)
        return assign(name, text, indent=indent)


def _at(text: tuple[str, int], level: int) -> str:
    return text[0] if text[1] >= level else f"({text[0]})"


def is_safe(op: BinaryOp, left: Type, right: Type) -> bool:
    """Whether the bare Python operator has the operator's meaning for all values of these types."""
    if op in (BinaryOp.EQUAL, BinaryOp.NOT_EQUAL):
        return True
    if op in ORDERINGS:
        return len(_kinds(left) | _kinds(right)) == 1
    assert op in ARITHMETIC
    if op is BinaryOp.ADD and _all_words(left) and _all_words(right):
        return _longest(left) + _longest(right) <= LONGEST_WORD
    if not (is_integral(left) and is_integral(right)) or op is BinaryOp.POWER:
        return False
    if op in (BinaryOp.DIVIDE, BinaryOp.MODULO):
        return not _can_be_zero(right)
    return True


def _all_words(type_: Type) -> bool:
    return _kinds(type_) == {True}


def _longest(type_: Type) -> int:
    domain = type_.domain if isinstance(type_, Categorical) else ()
    return max(len(word) for word in domain if isinstance(word, str))


def _can_be_zero(type_: Type) -> bool:
    match type_:
        case Integer(lo, hi):
            return lo <= 0 <= hi
        case Categorical(domain):
            return not all(domain)
    return True


def _kinds(type_: Type) -> set[bool]:
    """Which of words (True) and numbers (False) a sequence of this type can hold."""
    if isinstance(type_, Categorical):
        return {isinstance(v, str) for v in type_.domain}
    return {False}
