"""Syntax trees of ``.rasp`` text: what was written, before anything of it means anything.

Every node knows where it stands: ``start`` and ``end`` are character offsets, which
``tpir.text.source.Source.span`` turns into a place with line and column.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tpir.ir.expressions import BinaryOp
from tpir.ir.ops import Pool
from tpir.ir.values import Value


@dataclass(frozen=True)
class Syntax:
    """Base of all syntax nodes."""

    start: int
    end: int


# ---- expressions


@dataclass(frozen=True)
class Name(Syntax):
    """A name, whatever it stands for."""

    text: str


@dataclass(frozen=True)
class Literal(Syntax):
    """A number without a sign, a word, or a truth value."""

    value: Value


@dataclass(frozen=True)
class Group(Syntax):
    """``( inner )``."""

    inner: Expression


class Sign(Enum):
    """Operators that stand before their operand."""

    MINUS = "-"
    PLUS = "+"
    NOT = "not"


@dataclass(frozen=True)
class Unary(Syntax):
    """``- operand``, ``+ operand`` or ``not operand``."""

    op: Sign
    operand: Expression


@dataclass(frozen=True)
class Binary(Syntax):
    """``left op right``."""

    op: BinaryOp
    left: Expression
    right: Expression


@dataclass(frozen=True)
class IfElse(Syntax):
    """``then if condition else otherwise``."""

    then: Expression
    condition: Expression
    otherwise: Expression


@dataclass(frozen=True)
class Call(Syntax):
    """``function ( arguments )``."""

    function: Expression
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Index(Syntax):
    """``value [ index ]``."""

    value: Expression
    index: Expression


@dataclass(frozen=True)
class Contains(Syntax):
    """``element in container``."""

    element: Expression
    container: Expression


@dataclass(frozen=True)
class ListLiteral(Syntax):
    """``[ items ]``."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class DictLiteral(Syntax):
    """``{ key: value, … }``."""

    items: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True)
class ListComprehension(Syntax):
    """``[ element for names in iterable ]``."""

    element: Expression
    names: tuple[Name, ...]
    iterable: Expression


@dataclass(frozen=True)
class DictComprehension(Syntax):
    """``{ key: value for names in iterable }``."""

    key: Expression
    value: Expression
    names: tuple[Name, ...]
    iterable: Expression


@dataclass(frozen=True)
class Parameter(Syntax):
    """``$k``: the k-th operand of ``map``, counted from 1."""

    number: int


@dataclass(frozen=True)
class Readout(Syntax):
    """``classify { … }`` or, where ``pool`` is given, ``classify_pooled pool { … }``."""

    pool: Pool | None
    float32: bool
    items: tuple[ReadoutItem, ...]


@dataclass(frozen=True)
class Keyword(Syntax):
    """An argument given by name: ``name = value``."""

    name: str
    value: Expression


@dataclass(frozen=True)
class Operator(Syntax):
    """A comparison as an argument: the ``==`` of ``select(k, q, ==)``."""

    op: BinaryOp


Expression = (
    Name
    | Literal
    | Group
    | Unary
    | Binary
    | IfElse
    | Contains
    | Call
    | Index
    | ListLiteral
    | DictLiteral
    | ListComprehension
    | DictComprehension
    | Parameter
    | Readout
)
Argument = Expression | Keyword | Operator


# ---- tables


@dataclass(frozen=True)
class Range:
    """The ints ``lo`` to ``hi``, both included."""

    lo: int
    hi: int


Element = Value | Range
Cell = tuple[Element, ...] | None
"""The values that one argument may have; None is ``_``, any value."""


@dataclass(frozen=True)
class Pattern(Syntax):
    """The arguments that a row is for: a cell for each."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ValueSet:
    """A set as the result of a row."""

    elements: tuple[Element, ...]


@dataclass(frozen=True)
class Weights(Syntax):
    """A list of numbers."""

    numbers: tuple[float, ...]


LIST_OR_ZEROS = "a list of numbers, [ … ], or 0 where all are zero"


def is_zeros(number: Value) -> bool:
    """Whether this number alone stands for a list of zeros."""
    return type(number) is int and number == 0


@dataclass(frozen=True)
class Zeros(Syntax):
    """``0`` for a list of numbers that are all zero, however many are needed."""


Result = Value | ValueSet | Weights


@dataclass(frozen=True)
class Row(Syntax):
    """``pattern | pattern -> result``."""

    patterns: tuple[Pattern, ...]
    result: Result


@dataclass(frozen=True)
class Values(Syntax):
    """``{ value, value }``: a vocabulary, labels, or the columns of a score table."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class ReadoutItem(Syntax):
    """A line of a readout: ``labels {…}``, ``bias […]``, ``name: […]`` or ``name: { rows }``.

    ``name`` is None but for features; ``0`` may stand for ``[…]``.
    """

    name: str | None
    content: Values | Weights | Zeros | tuple[Row, ...]


@dataclass(frozen=True)
class ReluUnit(Syntax):
    """``unit bias, [weights of the inputs] -> [weights of the outputs]``."""

    bias: float
    inputs: Weights
    outputs: Weights


# ---- statements


@dataclass(frozen=True)
class HeaderItem(Syntax):
    """A line of the header; ``content`` of ``causal`` and ``mixed`` is True, of ``accepts`` the
    form's text.
    """

    keyword: str
    content: Value | Values


@dataclass(frozen=True)
class Assign(Syntax):
    """``name, name = value, value;``."""

    names: tuple[Name, ...]
    values: tuple[Expression, ...]


@dataclass(frozen=True)
class Bare(Syntax):
    """``value;``."""

    value: Expression


@dataclass(frozen=True)
class Define(Syntax):
    """``def name(parameters) { body return values; }``."""

    name: Name
    parameters: tuple[Name, ...]
    body: tuple[Inner, ...]
    returns: tuple[Expression, ...]


@dataclass(frozen=True)
class Loop(Syntax):
    """``for names in iterable { body }``."""

    names: tuple[Name, ...]
    iterable: Expression
    body: tuple[Inner, ...]


@dataclass(frozen=True)
class Load(Syntax):
    """``load "path";``."""

    path: str


@dataclass(frozen=True)
class Command(Syntax):
    """A command of the interactive prompt, in its words: ``examples off``; without an argument."""

    words: str


@dataclass(frozen=True)
class SetExample(Syntax):
    """``set example value``, for ``s-op`` or ``selector`` alone where ``subset`` says so."""

    subset: str | None
    value: Expression


@dataclass(frozen=True)
class Output(Syntax):
    """``output value;`` or ``output label = value;``, which binds the name too unless quoted."""

    label: str | None
    binds: bool
    value: Expression


@dataclass(frozen=True)
class TableStatement(Syntax):
    """``table name { rows }``, with ``keys {…}`` where it is a table of scores."""

    name: str
    float32: bool
    keys: tuple[Values, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class ReluStatement(Syntax):
    """``relu name { units; bias […] }``."""

    name: str
    float32: bool
    units: tuple[ReluUnit, ...]
    biases: tuple[Weights, ...]


Inner = Assign | Bare | Define | Loop | Load
Statement = Inner | Output | TableStatement | ReluStatement | Command | SetExample


@dataclass(frozen=True)
class File:
    """A whole file."""

    header: tuple[HeaderItem, ...]
    statements: tuple[Statement, ...]
