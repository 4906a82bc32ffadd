"""How much there is to read: characters of a program's text, counted node by node."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from tpir.ir.expressions import Expression
from tpir.ir.functions import NumberWeights, Relation, ReluFunction, ScoreTable, Table
from tpir.ir.ops import Choose, Classify, ClassifyPooled, Map, Op, Select
from tpir.ir.program import Node, Program
from tpir.text.numbers import Numbers
from tpir.text.print_expression import print_expression
from tpir.text.tables import feature_items, relation_items, score_items, table_items

_PER_NODE = 24
_PER_OPERAND = 8
_SIZES: WeakKeyDictionary[Op, int] = WeakKeyDictionary()


def reading_size(program: Program) -> int:
    """About how many characters the live nodes print as.

    A sum over nodes, so that a change in one node is a change in one term.
    """
    return sum(map(reading_size_of_node, program.live))


def reading_size_of_node(node: Node) -> int:
    """About how many characters a node prints as."""
    return reading_size_of_op(node.op) + _PER_NODE + _PER_OPERAND * len(node.operands)


def reading_size_of_op(op: Op) -> int:
    """About how many characters what an op carries prints as."""
    size = _SIZES.get(op)
    if size is None:
        size = _SIZES[op] = _size_of_op(op)
    return size


def _size_of_op(op: Op) -> int:
    match op:
        case Map(Table() as table):
            return _of_items(table_items(table))
        case Map(ReluFunction() as relu):
            return 12 * len(relu.b) * (1 + relu.arity + len(relu.c))
        case Map(function):
            return _of_expression(function)
        case Select(Relation() as relation):
            return _of_items(relation_items(relation))
        case Choose(score=ScoreTable() as score):
            numbers = Numbers.of(w for row in score.rows for w in row)
            return _of_items(score_items(score, numbers))
        case Classify() | ClassifyPooled():
            return _of_readout(op)
    return 0


def _of_expression(function: Table | Expression | ReluFunction) -> int:
    assert not isinstance(function, Table | ReluFunction)
    return len(print_expression(function, ["x"] * 64))


def _of_readout(op: Classify | ClassifyPooled) -> int:
    rows = [op.bias]
    for weights in op.weights:
        rows.extend([weights.row] if isinstance(weights, NumberWeights) else weights.rows)
    numbers = Numbers.of(w for row in rows for w in row)
    size = _of_items([[numbers.show(w) for w in op.bias]])
    for weights in op.weights:
        if isinstance(weights, NumberWeights):
            size += _of_items([[numbers.show(w) for w in weights.row]])
        else:
            size += _of_items(feature_items(weights, numbers))
    return size


def _of_items(items: list[list[str]]) -> int:
    return _PER_NODE + sum(len(piece) + 1 for item in items for piece in item) + 4 * len(items)
