"""From open nodes to the nodes of a program for one vocabulary and context."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.expression_failures import expression_fails
from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    Expression,
    IfElse,
    Literal,
    Unary,
    UnaryOp,
    arguments_of,
    parts_of,
    renumbered,
    with_parts,
)
from tpir.ir.infer import describe
from tpir.ir.ops import Map, Op, Tokens, Uniform
from tpir.ir.program import Header, Node
from tpir.ir.types import Type, is_mixed
from tpir.ir.values import show_value
from tpir.semantics.blame import UNCHECKED
from tpir.text.nesting import tokens_name
from tpir.text.open import TOKENS_ASIS, Deferred, Infix, OpenNode, TokensAs
from tpir.text.rows import RowReader


@dataclass(eq=False)
class Specialiser:
    """Builds nodes for open nodes, each once.

    ``strict``: a row of a table that no input reaches is an error. ``mixed``: sequences may mix
    words with other values, so no node checks it. ``kept_names``: what inner nodes may not be
    called.
    """

    header: Header
    strict: bool = False
    mixed: bool = False
    kept_names: Collection[str] = ()
    nodes: dict[OpenNode, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.builder = Builder(self.header)
        self._words = all(isinstance(token, str) for token in self.header.vocabulary)

    def node(self, wanted: OpenNode) -> Node:
        """The node of an open node, after those it depends on. Raises TpirError."""
        for open_node in cone([wanted], self.nodes):
            self.nodes[open_node] = self._build(open_node)
        return self.nodes[wanted]

    def _build(self, open_node: OpenNode) -> Node:
        operands = [self.nodes[operand] for operand in open_node.operands]
        match open_node.op:
            case Infix(expression):
                return self._infix(open_node, expression, operands)
            case TokensAs(conversion):
                return self._tokens_as(open_node, conversion)
            case Tokens() if open_node.name == TOKENS_ASIS:
                return self._one_kind(open_node, self._tokens, TOKENS_ASIS)
            case Deferred() as op:
                where = open_node.where
                rows = RowReader(where.source, self.strict)
                return self._add(open_node, op.resolve(operands, where, rows), operands)
            case op:
                return self._add(open_node, op, operands)

    @cached_property
    def _tokens(self) -> Node:
        """The tokens as they are: all that ``tokens_str`` and the like read."""
        return self.builder.add(Tokens(), [], name=tokens_name(self.header.vocabulary))

    def _tokens_as(self, open_node: OpenNode, conversion: UnaryOp) -> Node:
        if conversion is UnaryOp.WORD and self._words:
            return self._tokens
        return self._add(open_node, Map(Unary(conversion, Argument(0))), [self._tokens])

    def _infix(self, open_node: OpenNode, expression: Expression, operands: list[Node]) -> Node:
        """A map, and one for each part that would be skipped where it fails."""
        hoisted = _hoisted(self, open_node, expression, operands, lazy=False)
        if isinstance(hoisted, Argument):
            return operands[hoisted.index]
        used = sorted(arguments_of(hoisted))
        places: dict[int, Expression] = {k: Argument(place) for place, k in enumerate(used)}
        return self._add(open_node, Map(renumbered(hoisted, places)), [operands[k] for k in used])

    def inner(self, open_node: OpenNode, op: Op, operands: Sequence[Node]) -> Node:
        """A node that the text does not name, for a part of an open node."""
        return self.builder.add(
            op, operands, name=self._inner_name(open_node, op), origin=open_node.origin
        )

    def _add(self, open_node: OpenNode, op: Op, operands: Sequence[Node]) -> Node:
        name = self._name(open_node, op)
        return self._one_kind(open_node, self._checked(open_node, op, operands, name), name)

    def _one_kind(self, open_node: OpenNode, made: Node, name: str) -> Node:
        """A node that fails where it would mix words with other values."""
        if self.mixed or not is_mixed(made.type):
            return made
        if not isinstance(made.op, Tokens):
            name = made.name
            made = self.builder.rename_last(f"{name}{UNCHECKED}")
        return self.builder.add(
            Uniform(),
            [made],
            name=name,
            origin=open_node.origin,
            comments=open_node.comments,
        )

    def _checked(self, open_node: OpenNode, op: Op, operands: Sequence[Node], name: str) -> Node:
        try:
            return self.builder.add(
                op, operands, name=name, origin=open_node.origin, comments=open_node.comments
            )
        except TpirError as error:
            notes = (*error.notes, *self._hints(operands))
            raise TpirError(error.message, span=error.span, notes=notes) from None

    def _hints(self, operands: Sequence[Node]) -> Iterator[str]:
        """What helps with an op that no input makes sense of."""
        if any(operand.name == "tokens_str" for operand in operands):
            yield "tokens are words; tokens_int and tokens_asis are numbers"
        if self.header.accepts is None:
            yield f"so it is on every input, such as {show_value(self.header.vocabulary[0])}"

    def _name(self, open_node: OpenNode, op: Op) -> str:
        return open_node.name or self._inner_name(open_node, op)

    def _inner_name(self, open_node: OpenNode, op: Op) -> str:
        base = f"{open_node.label}_{describe(op)}" if open_node.label else describe(op)
        name, count = base, 1
        while name in self.kept_names:
            count += 1
            name = f"{base}_{count}"
        return name


def cone(wanted: Iterable[OpenNode], known: Collection[OpenNode] = ()) -> list[OpenNode]:
    """The open nodes and all they depend on but what is known, in the order of creation."""
    reached: set[OpenNode] = set()
    stack = list(wanted)
    while stack:
        node = stack.pop()
        if node not in reached and node not in known:
            reached.add(node)
            stack.extend(node.operands)
    return sorted(reached, key=lambda node: node.number)


def is_eager(expression: Expression, types: tuple[Type, ...]) -> bool:
    """Whether no part that can fail stands where it is computed only if it is needed."""
    return not any(_skipped_failures(expression, types, lazy=False))


def _skipped_failures(
    expression: Expression, types: tuple[Type, ...], *, lazy: bool
) -> Iterable[Expression]:
    for part, later in zip(parts_of(expression), _is_lazy(expression), strict=True):
        yield from _skipped_failures(part, types, lazy=lazy or later)
    if lazy and _fails(expression, types):
        yield expression


def _is_lazy(expression: Expression) -> tuple[bool, ...]:
    """Which parts of an expression are computed only if they are needed."""
    match expression:
        case Binary(BinaryOp.AND | BinaryOp.OR, _, _):
            return (False, True)
        case IfElse():
            return (False, True, True)
    return (False,) * len(parts_of(expression))


def _fails(expression: Expression, types: tuple[Type, ...]) -> bool:
    if isinstance(expression, Argument | Literal):
        return False
    return expression_fails(expression, types)


def _is_safe(expression: Expression) -> bool:
    """Whether an expression cannot fail but by its parts."""
    match expression:
        case IfElse() | Unary(UnaryOp.NOT | UnaryOp.INDICATOR, _):
            return True
        case Binary(BinaryOp.AND | BinaryOp.OR | BinaryOp.EQUAL, _, _):
            return True
    return False


def _hoisted(
    specialiser: Specialiser,
    open_node: OpenNode,
    expression: Expression,
    operands: list[Node],
    *,
    lazy: bool,
) -> Expression:
    """The expression with parts that would be skipped where they fail as operands of its own."""
    parts = tuple(
        _hoisted(specialiser, open_node, part, operands, lazy=lazy or later)
        for part, later in zip(parts_of(expression), _is_lazy(expression), strict=True)
    )
    made = with_parts(expression, parts)
    if not lazy or _is_safe(made) or not _fails(made, tuple(operand.type for operand in operands)):
        return made
    used = sorted(arguments_of(made))
    places: dict[int, Expression] = {k: Argument(place) for place, k in enumerate(used)}
    node = specialiser.inner(open_node, Map(renumbered(made, places)), [operands[k] for k in used])
    operands.append(node)
    return Argument(len(operands) - 1)
