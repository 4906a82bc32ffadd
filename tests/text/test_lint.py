"""A warning stands exactly where Python groups otherwise; with its parentheses Python agrees.

The oracle is Python's own parser: ``^`` becomes ``**``, everything else is Python as it stands.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tests.strategies import programs
from tpir.errors import TpirError
from tpir.ir.expressions import COMPARISONS, BinaryOp
from tpir.ir.program import Program
from tpir.text import lint as lint_module
from tpir.text import print_program, syntax
from tpir.text.lint import LintWarning, lint, warn_or_raise
from tpir.text.parser import parse_syntax
from tpir.text.source import Source

ROOT = Path(__file__).resolve().parents[2]

FOUND = [
    ("not a == b", "(not a) == b", "not binds tighter than =="),
    ("not a + b", "(not a) + b", "not binds tighter than +"),
    ("a == not b", "a == (not b)", "not binds tighter than =="),
    ("- not a", "- (not a)", "not binds as tightly as the sign -"),
    ("-a^b", "(-a)^b", "the sign - binds tighter than ^"),
    ("a^b^c", "(a^b)^c", "^ groups from the left"),
    ("a % b * c", "a % (b * c)", "* binds tighter than %"),
    ("a % b / c", "a % (b / c)", "/ binds tighter than %"),
    ("a == b == c", "(a == b) == c", "comparisons do not chain"),
    ("a < b <= c", "(a < b) <= c", "comparisons do not chain"),
    ("a or b and c", "(a or b) and c", "and and or bind alike, from left to right"),
    (
        "a if b else c if d else e",
        "(a if b else c) if d else e",
        "if … else groups from the left",
    ),
    (
        "a if b if c else d else e",
        "a if (b if c else d) else e",
        "a condition may be an if … else of its own",
    ),
    (
        "not a == b == -c^2",
        "((not a) == b) == (-c)^2",
        "comparisons do not chain; not binds tighter than ==",
    ),
    ("a ^ b # one\n  ^\n\tc", "(a ^ b) ^ c", "^ groups from the left"),
    ('a == " # (" == c', '(a == " # (") == c', "comparisons do not chain"),
]
PLAIN = [
    "a and b and c",
    "a and b or c",
    "not a and not b or not c",
    "not not a",
    "a - b - c + d",
    "a * b / c",
    "a * b % c",
    "a + b % c",
    "a / b * -c + d == e or f",
    "a ^ -b",
    "--a * -b",
    "a if b or c else d + e",
    "-1 if a == 0 else b",
    "(not a) == b",
    "(a == b) == c",
    "f(a, b)(c) ^ g(d == e)",
    "select(a, b == c, ==)",
]


def warnings_of(text: str) -> list[LintWarning]:
    source = Source("p.rasp", text)
    return lint(parse_syntax(source), source)


@pytest.mark.parametrize(("text", "suggestion", "rule"), FOUND, ids=[f[0] for f in FOUND])
def test_misleading_expression_is_found(text: str, suggestion: str, rule: str) -> None:
    first = warnings_of(f"x = {text};")[0]
    assert (first.start, first.end) == (4, 4 + len(text))
    assert first.suggestion == suggestion
    assert first.message == f"{rule}, unlike in Python"
    assert warnings_of(f"x = {suggestion};") == []


@pytest.mark.parametrize("text", PLAIN)
def test_expression_that_python_reads_alike_is_not(text: str) -> None:
    assert warnings_of(f"x = {text};") == []


def test_each_place_gets_a_warning_of_its_own() -> None:
    text = "y = 7 % 4 * 2 + f(-2^2, (not a == b) or c and d);\noutput a < 2 < 3;"
    assert [(w.start, w.suggestion) for w in warnings_of(text)] == [
        (4, "7 % (4 * 2)"),
        (18, "(-2)^2"),
        (24, "(((not a) == b) or c) and d"),
        (25, "(not a) == b"),
        (57, "(a < 2) < 3"),
    ]


def test_comprehensions_are_looked_into() -> None:
    text = "[not a == b for a in c if d else e];"
    assert [(w.suggestion, w.message) for w in warnings_of(text)] == [
        (
            "[(not a) == b for a in (c if d else e)]",
            "if … else binds tighter than for … in, unlike in Python",
        ),
        ("(not a) == b", "not binds tighter than ==, unlike in Python"),
    ]


def test_warning_shows_the_place() -> None:
    said: list[str] = []
    source = Source("p.rasp", "x = indices;\ny = 1 + 2^3^2;\nz = not x == 2;")
    warn_or_raise(parse_syntax(source), source, strict=False, warn=said.append)
    assert said[0] == (
        "warning: p.rasp:2:9: ^ groups from the left, unlike in Python\n"
        "    y = 1 + 2^3^2;\n"
        "            ^^^^^\n"
        "  note: this means (2^3)^2"
    )
    assert len(said) == 2
    with pytest.raises(TpirError) as caught:
        warn_or_raise(parse_syntax(source), source, strict=True, warn=said.append)
    assert len(said) == 2
    assert str(caught.value.span) == "p.rasp:2:9"
    assert caught.value.notes == ("this means (2^3)^2", "and 1 more like it: see tpir lint")
    plain = Source("p.rasp", "x = indices;")
    warn_or_raise(parse_syntax(plain), plain, strict=True, warn=said.append)
    assert len(said) == 2


def test_long_and_deep_expressions_are_no_trouble() -> None:
    assert warnings_of("x = " + " + ".join(["a"] * 5000) + ";") == []
    assert warnings_of("x = " + "-" * 5000 + "a;") == []
    (found,) = warnings_of("x = " + "^".join(["a"] * 5000) + ";")
    assert found.suggestion.startswith("(" * 4998 + "a^a)^a)")


# ---- random expressions against Python's parser

IN, IF_ELSE, FIRST_BINARY = 0, 1, 2
BINARY_LEVELS: list[list[BinaryOp]] = [
    [BinaryOp.AND, BinaryOp.OR],
    sorted(COMPARISONS, key=lambda op: op.value),
    [BinaryOp.ADD, BinaryOp.SUBTRACT],
    [BinaryOp.MODULO],
    [BinaryOp.MULTIPLY, BinaryOp.DIVIDE],
    [BinaryOp.POWER],
]
"""Binary operators by the precedence of RASP, the loosest first."""
UNARY = FIRST_BINARY + len(BINARY_LEVELS)
ATOM = UNARY + 1


class Writer:
    """Writes random expressions, each with the tree that RASP reads it as."""

    def __init__(self, seed: int, *, with_in: bool) -> None:
        self.random = random.Random(seed)
        self.loosest = IN if with_in else IF_ELSE
        self.text = ""

    def write(self, least: int, depth: int) -> syntax.Expression:
        """Append an expression that binds at least so tightly."""
        level = self.random.randint(max(least, self.loosest), ATOM) if depth else ATOM
        if level == ATOM:
            return self._atom(depth)
        start = len(self.text)
        if level == UNARY:
            op = self.random.choice([syntax.Sign.MINUS, syntax.Sign.NOT])
            operand = self._after("not " if op is syntax.Sign.NOT else "-", UNARY, depth)
            return syntax.Unary(start, operand.end, op, operand)
        left = self.write(level, depth - 1)
        if level == IN:
            container = self._after(" in ", IF_ELSE, depth)
            return syntax.Contains(start, container.end, left, container)
        if level == IF_ELSE:
            condition = self._after(" if ", self.loosest, depth)
            other = self._after(" else ", FIRST_BINARY, depth)
            return syntax.IfElse(start, other.end, left, condition, other)
        op = self.random.choice(BINARY_LEVELS[level - FIRST_BINARY])
        right = self._after(f" {op.value} ", level + 1, depth)
        return syntax.Binary(start, right.end, op, left, right)

    def _after(self, sign: str, least: int, depth: int) -> syntax.Expression:
        self.text += sign
        return self.write(least, depth - 1)

    def _atom(self, depth: int) -> syntax.Expression:
        start, kind = len(self.text), self.random.random() if depth else 1
        name = syntax.Name(start, start + 1, self.random.choice("abcde"))
        if kind > 0.7:
            self.text += name.text
            return name
        inner = self._after("(" if kind > 0.3 else f"{name.text}(", self.loosest, depth)
        self.text += ")"
        if kind > 0.3:
            return syntax.Group(start, len(self.text), inner)
        return syntax.Call(start, len(self.text), name, (inner,))


def shape(node: object) -> object:
    """How an expression is grouped, parentheses left out."""
    match node:
        case syntax.Group(inner=inner):
            return shape(inner)
        case syntax.Name(text=text):
            return text
        case syntax.Call(function=function, arguments=(argument,)):
            return ("call", shape(function), shape(argument))
        case syntax.Unary(op=op, operand=operand):
            return (op.value, shape(operand))
        case syntax.Binary(op=op, left=left, right=right):
            return (op.value, shape(left), shape(right))
        case syntax.IfElse():
            return ("if", *map(shape, (node.then, node.condition, node.otherwise)))
    assert isinstance(node, syntax.Contains)
    return ("in", shape(node.element), shape(node.container))


PYTHON = {
    ast.And: "and",
    ast.Or: "or",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Mod: "%",
    ast.Pow: "^",
    ast.USub: "-",
    ast.Not: "not",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
}


def python_shape(text: str) -> object:
    """How Python groups a text; None where it is no Python."""
    try:
        return _python_shape(ast.parse(text.replace("^", "**"), mode="eval").body)
    except SyntaxError:
        return None


def _python_shape(node: ast.expr) -> object:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Call(func=function, args=[argument]):
            return ("call", _python_shape(function), _python_shape(argument))
        case ast.UnaryOp(op=op, operand=operand):
            return (PYTHON[type(op)], _python_shape(operand))
        case ast.BinOp(op=op, left=left, right=right):
            return (PYTHON[type(op)], _python_shape(left), _python_shape(right))
        case ast.BoolOp(op=op, values=[first, *rest]):
            found = _python_shape(first)
            for value in rest:
                found = (PYTHON[type(op)], found, _python_shape(value))
            return found
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return (PYTHON[type(op)], _python_shape(left), _python_shape(right))
        case ast.Compare():
            return "a chain"
        case ast.IfExp(test=condition, body=then, orelse=other):
            return ("if", *map(_python_shape, (then, condition, other)))
    raise AssertionError(ast.dump(node))


def written(seed: int, *, with_in: bool) -> tuple[str, syntax.Expression, list[LintWarning]]:
    """A random expression: its text, its tree and the warnings."""
    writer = Writer(seed, with_in=with_in)
    tree = writer.write(IN, writer.random.randint(1, 5))
    bare = syntax.File((), (syntax.Bare(tree.start, tree.end, tree),))
    return writer.text, tree, lint(bare, Source("p.rasp", writer.text))


def outermost(warnings: list[LintWarning]) -> Iterator[LintWarning]:
    end = -1
    for warning in warnings:
        if warning.start >= end:
            yield warning
            end = warning.end


def with_suggestions(text: str, warnings: list[LintWarning]) -> str:
    """The text with each outermost warning's expression as it suggests."""
    for warning in reversed(list(outermost(warnings))):
        text = text[: warning.start] + warning.suggestion + text[warning.end :]
    return text


SEEDS = st.integers(0, 2**32)


@given(SEEDS)
@settings(max_examples=PROGRAMS)
def test_random_expressions_are_what_the_parser_reads(seed: int) -> None:
    text, tree, _ = written(seed, with_in=True)
    (statement,) = parse_syntax(Source("p.rasp", f"{text};")).statements
    assert isinstance(statement, syntax.Bare)
    assert statement.value == tree


@pytest.mark.parametrize("with_in", [False, True])
def test_warnings_stand_exactly_where_python_differs(with_in: bool) -> None:
    differing = 0

    @given(SEEDS)
    @settings(max_examples=2 * PROGRAMS)
    def check(seed: int) -> None:
        nonlocal differing
        text, tree, warnings = written(seed, with_in=with_in)
        alike = python_shape(text) == shape(tree)
        assert alike == (not warnings)
        assert python_shape(with_suggestions(text, warnings)) == shape(tree)
        for warning in warnings:
            assert python_shape(text[warning.start : warning.end]) != python_shape(
                warning.suggestion
            )
        differing += not alike

    check()
    assert differing > PROGRAMS / 10


@given(SEEDS)
@settings(max_examples=PROGRAMS)
def test_no_pair_of_parentheses_is_suggested_for_nothing(seed: int) -> None:
    text, tree, _ = written(seed, with_in=True)
    statement = syntax.Bare(tree.start, tree.end, tree)
    nodes = list(lint_module._nodes(syntax.File((), (statement,))))
    operands = [edge.operand for node in nodes for edge in lint_module._misleading(node)]
    source = Source("p.rasp", text)
    assert python_shape(lint_module._with_parentheses(source, tree, operands)) == shape(tree)
    for left_out in operands:
        others = [operand for operand in operands if operand is not left_out]
        fewer = lint_module._with_parentheses(source, tree, others)
        assert python_shape(fewer) != shape(tree)


@given(SEEDS)
@settings(max_examples=PROGRAMS)
def test_with_its_suggestions_a_text_reads_the_same_and_warns_no_more(seed: int) -> None:
    text, tree, warnings = written(seed, with_in=True)
    source = Source("p.rasp", with_suggestions(text, warnings) + ";")
    file = parse_syntax(source)
    assert shape(file.statements[0].value) == shape(tree)  # type: ignore[union-attr]
    assert lint(file, source) == []


# ---- what tpir prints


@given(programs())
@settings(max_examples=PROGRAMS)
def test_printed_program_misleads_nobody(program: Program) -> None:
    assert warnings_of(print_program(program)) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/**/*.rasp")), ids=lambda path: path.name)
def test_golden_text_misleads_nobody(path: Path) -> None:
    assert warnings_of(path.read_text(encoding="utf-8")) == []
