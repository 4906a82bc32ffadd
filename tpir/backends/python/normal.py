"""From selectors to their forms: what each comparison says of keys and queries."""

from __future__ import annotations

from dataclasses import dataclass, field

from tpir.backends.python.forms import (
    EVERYTHING,
    MIRRORED,
    NOTHING,
    OUTCOMES,
    POSITIONS,
    Form,
    KeyTest,
    Match,
    Outcome,
    Pair,
    QueryTest,
    TooManyTerms,
    both,
    either,
    negation,
    single,
    total,
)
from tpir.backends.python.relations import matches, most_wanted
from tpir.backends.python.writer import Writer
from tpir.ir.expressions import BinaryOp, Failure, Literal, apply_binary
from tpir.ir.functions import Relation, Table
from tpir.ir.ops import Always, And, Choose, Comparison, Map, Not, Or, Select
from tpir.ir.program import Node
from tpir.ir.values import Value

MOST_KEYS = 4
"""A relation with more keys a query than this has no form."""


@dataclass
class Forms:
    """The forms of the selectors met so far; their operands, and choices, have been written."""

    writer: Writer
    _found: dict[Node, Form | None] = field(default_factory=dict)

    def of(self, node: Node) -> Form | None:
        """The form of a selector; None where it has none or too long a one."""
        if node not in self._found:
            try:
                self._found[node] = self._form(node)
            except TooManyTerms:
                self._found[node] = None
        return self._found[node]

    def _form(self, node: Node) -> Form | None:
        match node.op:
            case Select(Always(truth)):
                return EVERYTHING if truth else NOTHING
            case Select(Comparison(op)):
                return self._comparison(op, *node.operands)
            case Select(Relation() as relation):
                return self._relation(node, relation)
            case Choose():
                return single(Match(POSITIONS, self.writer.columns[node], "x"), Outcome.EQUAL)
        operands = [self.of(operand) for operand in node.operands]
        match node.op, operands:
            case And(), [dict() as left, dict() as right]:
                return both(left, right)
            case Or(), [dict() as left, dict() as right]:
                return either(left, right)
            case Not(), [dict() as operand]:
                return negation(operand)
        return None

    def _comparison(self, op: BinaryOp, key_node: Node, query_node: Node) -> Form:
        key, query = constant_of(key_node), constant_of(query_node)
        if key is not None and query is not None:
            return EVERYTHING if _holds(op, key, query) else NOTHING
        if query is not None:
            return single(KeyTest(self.writer.column(key_node), query), OUTCOMES[op])
        if key is not None:
            return single(QueryTest(self.writer.column(query_node), key), MIRRORED[op])
        pair = Pair(self.writer.column(key_node), self.writer.column(query_node))
        return single(pair, OUTCOMES[op])

    def _relation(self, node: Node, relation: Relation) -> Form | None:
        if most_wanted(node, relation) > MOST_KEYS:
            return None
        found = matches(self.writer, node, relation)
        return total(*((single(match, Outcome.EQUAL), 1) for match in found))


def constant_of(node: Node) -> Value | None:
    """The value that a sequence has everywhere, if it is written as a constant."""
    match node.op:
        case Map(Literal(value)):
            return value
        case Map(Table((), (value,))):
            return value
    return None


def _holds(op: BinaryOp, key: Value, query: Value) -> bool:
    try:
        return bool(apply_binary(op, key, query))
    except Failure:
        return False  # of no account: the module raises Failure before it gets there
