"""From the reductions of the grammar to syntax trees, one method for each rule of ``rasp.lark``."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lark import Token, Transformer

from tpir.ir.expressions import BinaryOp
from tpir.ir.ops import Pool
from tpir.ir.values import Value
from tpir.text import syntax

Children = list[Any]


class LiteralProblem(Exception):
    """A number that is none: the parser adds where in which text."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message, self.start, self.end = message, start, end


@dataclass(frozen=True)
class SetExampleText:
    """A line ``set example …`` whose value is not read yet."""

    line: Token


class TreeBuilder(Transformer[Token, syntax.File]):
    """Runs inside the parser; holds no state, so one parser serves every text."""

    def start(self, children: Children) -> syntax.File:
        """A file."""
        header = [c for c in children if isinstance(c, syntax.HeaderItem)]
        rest = [c for c in children if c is not None and not isinstance(c, syntax.HeaderItem)]
        return syntax.File(tuple(header), tuple(rest))

    def lone(self, children: Children) -> syntax.Expression:
        """An expression alone."""
        expression: syntax.Expression = children[0]
        return expression

    # ---- header

    def _header_value(self, children: Children) -> syntax.HeaderItem:
        keyword, content = children[0], children[1]
        value = content if isinstance(content, syntax.Values) else _scalar(content)
        return syntax.HeaderItem(_start(keyword), _end(content), str(keyword), value)

    context_item = vocabulary_item = labels_item = _header_value

    def program_item(self, children: Children) -> syntax.HeaderItem:
        """``program name;``."""
        keyword, name = children
        text = _scalar(name) if name.type == "STRING" else str(name)
        return syntax.HeaderItem(_start(keyword), _end(name), "program", text)

    def causal_item(self, children: Children) -> syntax.HeaderItem:
        """``causal;``, ``mixed;``."""
        word = children[0]
        return syntax.HeaderItem(_start(word), _end(word), str(word), True)

    mixed_item = causal_item

    def accepts_item(self, children: Children) -> syntax.HeaderItem:
        """``accepts form;``: the form has a grammar of its own. The span is the form's."""
        form = children[1]
        return syntax.HeaderItem(_start(form), _end(form), "accepts", str(form))

    # ---- statements

    def assign(self, children: Children) -> syntax.Assign:
        """``name, name = value, value;``."""
        *parts, semicolon = children
        names, values = _names(parts), _after_names(parts)
        return syntax.Assign(names[0].start, _end(semicolon), names, tuple(values))

    def bare(self, children: Children) -> syntax.Bare:
        """``value;``."""
        return syntax.Bare(children[0].start, _end(children[1]), children[0])

    def load(self, children: Children) -> syntax.Load:
        """``load "path";``."""
        word, path, semicolon = children
        return syntax.Load(_start(word), _end(semicolon), str(_scalar(path)))

    def define(self, children: Children) -> syntax.Define:
        """``def name(parameters) { body return values; }``."""
        word, name, *rest = (child for child in children if child is not None)
        keyword = next(k for k, c in enumerate(rest) if isinstance(c, Token) and c.type == "RETURN")
        parameters = _names(rest[:keyword])
        body, returns = rest[len(parameters) : keyword], rest[keyword + 1 : -2]
        start, end = _start(word), _end(rest[-1])
        return syntax.Define(start, end, _names([name])[0], parameters, tuple(body), tuple(returns))

    def loop(self, children: Children) -> syntax.Loop:
        """``for names in iterable { body }``."""
        word, *parts, brace = children
        names, (iterable, *body) = _names(parts), _after_names(parts)
        return syntax.Loop(_start(word), _end(brace), names, iterable, tuple(body))

    def set_example(self, children: Children) -> SetExampleText:
        """``set example value``: the value is read later, it ends with its line."""
        return SetExampleText(children[0])

    def command(self, children: Children) -> syntax.Command:
        """``examples off`` and the like."""
        (word,) = children
        return syntax.Command(_start(word), _end(word), " ".join(word.split()))

    def output_named(self, children: Children) -> syntax.Output:
        """``output name = value;``."""
        word, name, value, semicolon = children
        return syntax.Output(_start(word), _end(semicolon), str(name), True, value)

    def output_quoted(self, children: Children) -> syntax.Output:
        """``output "name" = value;``."""
        word, name, value, semicolon = children
        return syntax.Output(_start(word), _end(semicolon), str(_scalar(name)), False, value)

    def output_bare(self, children: Children) -> syntax.Output:
        """``output value;``."""
        word, value, semicolon = children
        return syntax.Output(_start(word), _end(semicolon), None, False, value)

    def table(self, children: Children) -> syntax.TableStatement:
        """``table name { … }``."""
        word, name, float32, *items, brace = children
        keys = tuple(i for i in items if isinstance(i, syntax.Values))
        rows = tuple(i for i in items if isinstance(i, syntax.Row))
        found = float32 is not None
        return syntax.TableStatement(_start(word), _end(brace), str(name), found, keys, rows)

    def relu(self, children: Children) -> syntax.ReluStatement:
        """``relu name { … }``."""
        word, name, float32, *items, brace = children
        units = tuple(i for i in items if isinstance(i, syntax.ReluUnit))
        biases = tuple(i for i in items if isinstance(i, syntax.Weights))
        found = float32 is not None
        return syntax.ReluStatement(_start(word), _end(brace), str(name), found, units, biases)

    # ---- expressions

    def name(self, children: Children) -> syntax.Name:
        """A name."""
        return syntax.Name(_start(children[0]), _end(children[0]), str(children[0]))

    def literal(self, children: Children) -> syntax.Literal:
        """A literal."""
        return syntax.Literal(_start(children[0]), _end(children[0]), _scalar(children[0]))

    def parameter(self, children: Children) -> syntax.Parameter:
        """``$k``."""
        token = children[0]
        if len(token) > 7:
            raise LiteralProblem(f"{token}: no map has that many operands", *_place(token))
        return syntax.Parameter(_start(token), _end(token), int(token[1:]))

    def group(self, children: Children) -> syntax.Group:
        """``( inner )``."""
        left, inner, right = children
        return syntax.Group(_start(left), _end(right), inner)

    def list_literal(self, children: Children) -> syntax.ListLiteral:
        """``[ items ]``."""
        left, *items, right = children
        found = tuple(i for i in items if i is not None)
        return syntax.ListLiteral(_start(left), _end(right), found)

    def entry(self, children: Children) -> tuple[syntax.Expression, syntax.Expression]:
        """``key: value``."""
        key, value = children
        return key, value

    def dict_literal(self, children: Children) -> syntax.DictLiteral:
        """``{ key: value, … }``."""
        left, *items, right = children
        found = tuple(i for i in items if i is not None)
        return syntax.DictLiteral(_start(left), _end(right), found)

    def list_comprehension(self, children: Children) -> syntax.ListComprehension:
        """``[ element for names in iterable ]``."""
        left, element, *parts, right = children
        names, (iterable,) = _names(parts), _after_names(parts)
        return syntax.ListComprehension(_start(left), _end(right), element, names, iterable)

    def dict_comprehension(self, children: Children) -> syntax.DictComprehension:
        """``{ key: value for names in iterable }``."""
        left, (key, value), *parts, right = children
        names, (iterable,) = _names(parts), _after_names(parts)
        return syntax.DictComprehension(_start(left), _end(right), key, value, names, iterable)

    def unary(self, children: Children) -> syntax.Unary:
        """``- operand``, ``not operand``."""
        sign, operand = children
        return syntax.Unary(_start(sign), operand.end, syntax.Sign(str(sign)), operand)

    def binary(self, children: Children) -> syntax.Binary:
        """``left op right``."""
        left, op, right = children
        return syntax.Binary(left.start, right.end, BinaryOp(str(op)), left, right)

    def if_else(self, children: Children) -> syntax.IfElse:
        """``then if condition else otherwise``."""
        then, condition, otherwise = children
        return syntax.IfElse(then.start, otherwise.end, then, condition, otherwise)

    def contains(self, children: Children) -> syntax.Contains:
        """``element in container``."""
        element, container = children
        return syntax.Contains(element.start, container.end, element, container)

    def index(self, children: Children) -> syntax.Index:
        """``value [ index ]``."""
        value, index, right = children
        return syntax.Index(value.start, _end(right), value, index)

    def call(self, children: Children) -> syntax.Call:
        """``function ( arguments )``."""
        function, *arguments, right = children
        found = tuple(a for a in arguments if a is not None)
        return syntax.Call(function.start, _end(right), function, found)

    def keyword(self, children: Children) -> syntax.Keyword:
        """``name = value`` among arguments."""
        name, value = children
        return syntax.Keyword(_start(name), value.end, str(name), value)

    def operator(self, children: Children) -> syntax.Operator:
        """A comparison among arguments."""
        token = children[0]
        return syntax.Operator(_start(token), _end(token), BinaryOp(str(token)))

    def classify(self, children: Children) -> syntax.Readout:
        """``classify { … }``."""
        word, float32, *items, brace = children
        return _readout(word, None, float32, items, brace)

    def classify_pooled(self, children: Children) -> syntax.Readout:
        """``classify_pooled all { … }``."""
        word, pool, float32, *items, brace = children
        return _readout(word, Pool(str(pool)), float32, items, brace)

    # ---- tables and weights

    def keys(self, children: Children) -> syntax.Values:
        """``keys { … }``."""
        values: syntax.Values = children[1]
        return values

    def row(self, children: Children) -> syntax.Row:
        """``patterns -> result``."""
        *patterns, result = children
        found = _scalar(result) if isinstance(result, Token) else result
        return syntax.Row(patterns[0].start, patterns[-1].end, tuple(patterns), found)

    def pattern(self, children: Children) -> syntax.Pattern:
        """One cell."""
        cell = children[0]
        start, end = _place(cell) if isinstance(cell, Token) else (cell[0], cell[1])
        return syntax.Pattern(start, end, (_cell(cell),))

    def tuple_pattern(self, children: Children) -> syntax.Pattern:
        """``( cell, cell )``."""
        left, *cells, right = children
        found = tuple(_cell(c) for c in cells if c is not None)
        return syntax.Pattern(_start(left), _end(right), found)

    def any_of(self, children: Children) -> tuple[int, int, tuple[syntax.Element, ...]]:
        """``{ element, element }``: offsets of the first and the last element, and all of them."""
        first, last = children[0], children[-1]
        start = _start(first) if isinstance(first, Token) else first[0]
        end = _end(last) if isinstance(last, Token) else last[1]
        return start, end, tuple(_element(c) for c in children)

    def range(self, children: Children) -> tuple[int, int, syntax.Range]:
        """``lo .. hi``: its offsets, and the range."""
        low, high = children
        bounds = (_scalar(low), _scalar(high))
        if not all(isinstance(b, int) for b in bounds) or bounds[0] > bounds[1]:  # type: ignore[operator]
            raise LiteralProblem(
                f"{low}..{high} is not a range: it needs two ints, the smaller one first",
                _start(low),
                _end(high),
            )
        return _start(low), _end(high), syntax.Range(int(bounds[0]), int(bounds[1]))

    def value_set(self, children: Children) -> syntax.ValueSet:
        """``{ element, element }`` as a result."""
        return syntax.ValueSet(tuple(_element(c) for c in children if c is not None))

    def values(self, children: Children) -> syntax.Values:
        """``{ value, value }``."""
        left, *values, right = children
        found = tuple(_scalar(v) for v in values if v is not None)
        return syntax.Values(_start(left), _end(right), found)

    def weights(self, children: Children) -> syntax.Weights:
        """``[ number, number ]``."""
        left, *numbers, right = children
        found = tuple(_weight(n) for n in numbers if n is not None)
        return syntax.Weights(_start(left), _end(right), found)

    def zeros(self, children: Children) -> syntax.Zeros:
        """``0`` for a list of numbers."""
        (token,) = children
        if not syntax.is_zeros(_scalar(token)):
            raise LiteralProblem(f"weights are {syntax.LIST_OR_ZEROS}", *_place(token))
        return syntax.Zeros(*_place(token))

    def readout_labels(self, children: Children) -> syntax.ReadoutItem:
        """``labels { … }``."""
        return syntax.ReadoutItem(_start(children[0]), children[1].end, None, children[1])

    readout_bias = readout_labels

    def number_feature(self, children: Children) -> syntax.ReadoutItem:
        """``name: [ … ]``, ``name: 0``."""
        name, weights = children
        return syntax.ReadoutItem(*_place(name), str(name), weights)

    def table_feature(self, children: Children) -> syntax.ReadoutItem:
        """``name: { rows }``."""
        name, *rows = children
        found = tuple(row for row in rows if row is not None)
        return syntax.ReadoutItem(*_place(name), str(name), found)

    def relu_unit(self, children: Children) -> syntax.ReluUnit:
        """``unit bias, [ … ] -> [ … ]``."""
        word, bias, inputs, outputs = children
        return syntax.ReluUnit(_start(word), outputs.end, _weight(bias), inputs, outputs)

    def relu_bias(self, children: Children) -> syntax.Weights:
        """``bias [ … ]``."""
        weights: syntax.Weights = children[1]
        return weights


def _readout(
    word: Token, pool: Pool | None, float32: Token | None, items: Children, brace: Token
) -> syntax.Readout:
    found = tuple(item for item in items if item is not None)
    return syntax.Readout(_start(word), _end(brace), pool, float32 is not None, found)


def _names(parts: Children) -> tuple[syntax.Name, ...]:
    """The names that stand at the beginning."""
    leading = itertools.takewhile(lambda part: isinstance(part, Token), parts)
    return tuple(syntax.Name(_start(name), _end(name), str(name)) for name in leading)


def _after_names(parts: Children) -> Children:
    return list(itertools.dropwhile(lambda part: isinstance(part, Token), parts))


def _start(part: Any) -> int:
    return part.start_pos or 0 if isinstance(part, Token) else int(part.start)


def _end(part: Any) -> int:
    return part.end_pos or 0 if isinstance(part, Token) else int(part.end)


def _place(part: Any) -> tuple[int, int]:
    return _start(part), _end(part)


def _cell(cell: Any) -> syntax.Cell:
    if isinstance(cell, Token):
        return None if cell.type == "WILD" else (_scalar(cell),)
    found = cell[2]
    return (found,) if isinstance(found, syntax.Range) else found


def _element(part: Any) -> syntax.Element:
    element: syntax.Element = _scalar(part) if isinstance(part, Token) else part[2]
    return element


def _scalar(token: Token) -> Value:
    """The value that a literal stands for."""
    if token.type in ("SIGNED", "NUMBER"):
        return _number(token)
    if token.type == "STRING":
        return str(json.loads(token[1:])) if token.startswith("e") else str(token[1:-1])
    return token.type == "TRUE"


def _number(token: Token) -> float:
    read: Callable[[str], float] = int if token.lstrip("-").isdigit() else float
    try:
        number = read(token)
    except ValueError:  # more digits than Python reads
        number = math.inf
    if math.isinf(number):
        raise LiteralProblem("this number is too large", *_place(token))
    return number


def _weight(token: Token) -> float:
    try:
        return float(_number(token))
    except OverflowError:
        raise LiteralProblem("this number is too large", *_place(token)) from None
