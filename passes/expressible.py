"""Keeping to what the Transformer Program architecture can express.

What the passes make of a lowered model must compile back into weights of the architecture, and
those must lower to the same program. So rewrites keep to the forms in which the lowering writes
things:

- a selector is a relation of at most one key value for each query value, cut to the values that the
  keys can have; where its rows are all equal the queries are ``indices``; where they are all empty,
  so are the keys; a selector of everything is ``Always(True)`` over ``indices``
  (``normal_select``);
- a map reads categorical variables alone or numerical ones alone (``kind_of``): an MLP is of one
  sort;
- a numerical variable is a count or a sum; the only constant number that weights hold is 1, so a
  count that is always 5 stays where something adds it up or multiplies it
  (``constant_is_welcome``);
- a constant that is not written into its users is the result of an MLP, an int
  (``constant_is_welcome``); the constant that a readout reads is 0 (``readout``);
- a relu function over at most ``MAX_NUMERIC_ROWS`` rows is a table.

Programs written by hand need not be expressible; they are simplified by the same rules.
"""

from __future__ import annotations

from enum import Enum

from tpir.ir.exact_sums import sums_are_exact
from tpir.ir.functions import NumberWeights, Relation, ReluFunction
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Select,
    SelectorWidth,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Categorical, Real, Selector, Width, size_of, values_of
from tpir.ir.values import Value, value_key
from tpir.passes.base import Rewriting
from tpir.passes.failing import can_fail

MAX_NUMERIC_ROWS = 65_536
"""The largest table over numbers that the lowering makes."""


class VariableKind(Enum):
    """What a node is in the residual stream of a Transformer Program."""

    CATEGORICAL = "categorical"
    NUMERICAL = "numerical"


def kind_of(node: Node) -> VariableKind:
    """Whether weights hold a node as one-hot vector or as a number."""
    match node.op:
        case SelectorWidth() | AggregateSum():
            return VariableKind.NUMERICAL
        case Aggregate() if node.operands[0].type != Selector(Width.ONE):
            return VariableKind.NUMERICAL
    return VariableKind.NUMERICAL if isinstance(node.type, Real) else VariableKind.CATEGORICAL


def constant_is_welcome(program: Program, node: Node, value: Value) -> bool:
    """Whether the users of a node that is always ``value`` can do with a constant in its place."""
    if kind_of(node) is VariableKind.CATEGORICAL:
        return type(value) is int or _is_welcome_word(program, node)
    for user in program.users[node]:
        match user.op:
            case Map(ReluFunction()):
                return False
            case AggregateSum():
                if value != 1 and not (value == 0 and constant_is_welcome(program, user, 0)):
                    return False
            case Classify() | ClassifyPooled() if _is_weighted_by_number(user, node):
                types = [operand.type for operand in user.operands]
                if not sums_are_exact(user.op, types, program.context):
                    return False
    return True


def _is_welcome_word(program: Program, node: Node) -> bool:
    """Whether no user needs a constant that is no int, as the results of MLPs are."""
    for user in program.users[node]:
        match user.op:
            case Select() if user.operands[0] is node:
                return False
            case Aggregate() if not _is_welcome_word(program, user):
                return False
    return True


def _is_weighted_by_number(readout: Node, feature: Node) -> bool:
    op = readout.op
    assert isinstance(op, Classify | ClassifyPooled)
    pairs = zip(op.weights, readout.operands, strict=True)
    return any(operand is feature and isinstance(w, NumberWeights) for w, operand in pairs)


def normal_select(
    rewriting: Rewriting, keys: Node, queries: Node, relation: Relation
) -> tuple[Relation | Always, Node, Node]:
    """The one way to write a selector: predicate, keys and queries. See the head of this file."""
    relation = cut_to_keys(relation, keys)
    rows = relation.rows
    if any(_differ(row, rows[0]) for row in rows) or can_fail(queries):
        return relation, keys, queries
    if len(rows[0]) == size_of(keys.type) and not can_fail(keys):
        return Always(True), rewriting.indices(), rewriting.indices()
    indices = rewriting.indices()
    positions = tuple(range(rewriting.program.context))
    same = Relation(positions, (rows[0],) * len(positions))
    return same, keys if rows[0] or can_fail(keys) else indices, indices


def cut_to_keys(relation: Relation, keys: Node) -> Relation:
    """The relation without key values that the keys cannot have."""
    domain = values_of(keys.type)
    assert domain is not None
    known = Categorical(domain).codes
    rows = tuple(tuple(v for v in row if value_key(v) in known) for row in relation.rows)
    return Relation(relation.queries, rows)


def _differ(left: tuple[Value, ...], right: tuple[Value, ...]) -> bool:
    return [value_key(v) for v in left] != [value_key(v) for v in right]


def is_indices(node: Node) -> bool:
    """Whether a node is the positions."""
    return isinstance(node.op, Indices)
