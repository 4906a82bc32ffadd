"""Sequences and selectors of a program that is not yet fitted to a vocabulary and a context.

Elaboration makes *open* nodes: their types, and so their tables, are not known before
``tpir.text.specialise`` is told what the inputs are. One graph serves any number of inputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tpir.errors import TpirError
from tpir.ir.expressions import BinaryOp, Expression, Literal, UnaryOp, apply_binary
from tpir.ir.functions import Domain
from tpir.ir.ops import Aggregate, Always, Comparison, Indices, Map, Op, Or, Select
from tpir.ir.program import Node, Origin
from tpir.ir.types import Selector, Width, number_bounds, size_of, values_of
from tpir.ir.values import Value
from tpir.span import Span
from tpir.text.notes import NOWHERE, Place
from tpir.text.rows import MOST_ROWS, RowReader
from tpir.text.source import Source
from tpir.text.syntax import Syntax


@dataclass(frozen=True)
class Where:
    """A piece of syntax in its text: what errors point at.

    ``caller`` is the call that the function it stands in is run for.
    """

    source: Source
    start: int
    end: int
    caller: Span | None = None

    @classmethod
    def of(cls, source: Source, syntax: Syntax | Where, caller: Span | None = None) -> Where:
        """The place of a piece of syntax."""
        return cls(source, syntax.start, syntax.end, caller)

    @property
    def span(self) -> Span:
        """The place, with the calls that led to it."""
        return self.source.span(self.start, self.end, self.caller)

    def error(self, message: str, *notes: str) -> TpirError:
        """An error at this place."""
        return TpirError(message, span=self.span, notes=notes)


TOKENS_ASIS = "tokens_asis"
"""What the tokens are called as they are."""


@dataclass(eq=False)
class OpenNode:
    """One op on open operands; compared by identity.

    ``label`` is the statement it stands in, ``name`` what it is called in programs if it has a name
    of its own, ``title`` what the prompt calls it: as in the original, assignment renames it.
    ``number`` grows in the order of creation. ``mentioned`` is where a text first names an input,
    which is written nowhere itself.
    """

    op: OpenOp
    operands: tuple[OpenNode, ...]
    is_selector: bool
    where: Where
    number: int
    label: str | None
    title: str
    name: str | None = None
    place: Place = NOWHERE
    comments: tuple[str, ...] = ()
    mentioned: Where | None = None

    @property
    def origin(self) -> Origin:
        """Where the node comes from: its place in a model, and in the text."""
        layer, part = self.place
        return Origin(layer, part, (self.mentioned or self.where).span)


class Deferred(ABC):
    """An op that depends on the types of its operands."""

    @abstractmethod
    def resolve(self, operands: Sequence[Node], where: Where, rows: RowReader) -> Op:
        """The op. Raises TpirError."""


@dataclass(frozen=True)
class Infix:
    """Operators applied at each position.

    All parts are computed everywhere, as if each were a sequence of its own: what stands behind
    ``if`` or ``or`` fails wherever it can. (``map`` nodes compute only what they need.)
    """

    expression: Expression


@dataclass(frozen=True)
class TokensAs:
    """``tokens_str`` and the like: the tokens, converted; they may mix words with other values."""

    conversion: UnaryOp


@dataclass(frozen=True)
class OpenAggregate(Deferred):
    """``aggregate`` with the default that was given: none for a hard selector, else 0."""

    default: Value | None

    def resolve(self, operands: Sequence[Node], where: Where, rows: RowReader) -> Op:
        """The aggregate for this selector.

        A word that is never used gives way to 0, so that means of many numbers have a type. (Files
        that state their inputs keep it: they say what they are printed from.)
        """
        selector, values = operands
        if self.default is None and selector.type != Selector(Width.ONE):
            return Aggregate(0)
        idle = isinstance(self.default, str) and number_bounds(values.type) is not None
        if idle and not rows.strict and _always_selects(selector):
            return Aggregate(0)
        return Aggregate(self.default)


OpenOp: TypeAlias = "Op | Deferred | Infix | TokensAs"
"""What an open node does; ``specialise`` knows what infix expressions and tokens become."""


def _always_selects(selector: Node) -> bool:
    """Whether a selector plainly selects a key for each query, such as the query itself."""
    match selector.op:
        case Select(Always(truth)):
            return truth
        case Select(Comparison(BinaryOp.EQUAL | BinaryOp.LESS_EQUAL | BinaryOp.GREATER_EQUAL)):
            keys, queries = selector.operands
            return keys is queries or _selects_first(selector)
        case Select(Comparison()):
            return _selects_first(selector)
        case Or():
            return any(map(_always_selects, selector.operands))
    return False


def _selects_first(select: Node) -> bool:
    """Whether position 0 compares with a number that is the same everywhere."""
    keys, queries = select.operands
    match select.op, keys.op, queries.op:
        case Select(Comparison(operator)), Indices(), Map(Literal(int() | float() as number)):
            return bool(apply_binary(operator, 0, number))
    return False


def domain_of(node: Node, where: Where) -> Domain:
    """The values of a node that a table is read over. Raises TpirError if they are not few."""
    size = size_of(node.type)
    if size is None or size > MOST_ROWS:
        raise where.error(
            f"a table needs a finite set of values here, {node.name} is of type {node.type}"
        )
    values = values_of(node.type)
    assert values is not None
    return values
