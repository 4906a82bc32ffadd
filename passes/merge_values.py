"""Values of a variable that nothing that reads it tells apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tpir.ir.functions import Relation, ScoreTable, Table, TableWeights, codes_of
from tpir.ir.infer import has_means
from tpir.ir.ops import (
    Aggregate,
    Always,
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Map,
    Select,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled, Selector, Width, size_of, values_of
from tpir.ir.values import Value, value_key
from tpir.passes.base import Pass, PassResult, Rewriting, rewrite, until_stable
from tpir.passes.expressible import cut_to_keys
from tpir.passes.failing import fails
from tpir.passes.relation_rules import Rule, holds, truth_of
from tpir.passes.tables import Codes, TableArray
from tpir.semantics.maps import table_kernel

MAX_VALUES = 4096
"""The values of variables of more than this are all kept."""

MAX_PAIRS = 2**16
"""A comparison of more pairs than this counts as one that tells all values apart."""


@dataclass(frozen=True)
class MergeValues(Pass):
    """Let tables give one value in place of all those that no reader tells apart.

    Law: where two values of a variable lead every reader to the same, or to results that its own
    readers do not tell apart, one of them may stand for both. Two values are the same to a table or
    an expression if its results are, whatever its other arguments; to a relation or comparison if
    they match the same keys, or queries; to a choice if they score the same; to a readout if their
    weights are equal; to an aggregate, which passes values on, if they are to its readers.

        kind {"a" -> 0; "b" -> 1; "c" -> 2};  loud {2 -> "yes"; _ -> "no"};  output loud(kind)
            →   kind {"c" -> 2; _ -> 0};  loud {0 -> "no"; 2 -> "yes"}

    The classes are those of the least automaton (Moore 1956, Hopcroft 1971), found from the outputs
    back; nodes have no cycles, so each is looked at once. Sound: from the operands up, each node
    holds a value of the class that it held before; outputs, sums, means and what can fail tell all
    values apart, so they hold the same.
    """

    name: ClassVar[str] = "merge-values"

    def measure(self, program: Program) -> tuple[int, ...]:
        """Values of all variables, after their types."""
        return (sum(_size(node) or 0 for node in program.nodes),)

    def run(self, program: Program) -> PassResult:
        """Merge values in every table that gives them, until no more can be."""
        return until_stable(program, _merge)


def _merge(program: Program) -> PassResult:
    classes = classes_of(program)

    def rule(rewriting: Rewriting, node: Node, operands: tuple[Node, ...]) -> Node | None:
        op = rewriting.fitted(node, operands)
        match op:
            case Map(Table() as table) if node in classes:
                return _table(rewriting, node, operands, table, classes[node])
            case Select(Relation() as relation) if operands[0].type != node.operands[0].type:
                cut = cut_to_keys(relation, operands[0])
                why = "asks only for values that are left"
                return rewriting.replace(node, Select(cut), operands, why)
        return None

    return rewrite(program, rule)


def _table(
    rewriting: Rewriting, node: Node, operands: tuple[Node, ...], table: Table, classes: Codes
) -> Node | None:
    """The table with one result for each class, the first."""
    array = TableArray.of(table)
    first: dict[int, int] = {}
    kept = [first.setdefault(k, place) for place, k in enumerate(_of(array.values, node, classes))]
    gone = [v for place, v in enumerate(array.values) if kept[place] != place]
    if not gone:
        return None
    why = f"no reader tells {', '.join(map(repr, gone))} apart from another value"
    made = replace(array, codes=np.array(kept)[array.codes]).table()
    return rewriting.replace(node, Map(made), operands, why)


# ---- which values readers tell apart


def classes_of(program: Program) -> Mapping[Node, Codes]:
    """For each value of each live variable the class it is in, named by a number.

    Values of one class lead to the same outputs, wherever one stands for the other. Variables of
    too many values are left out: nothing is known of theirs.
    """
    found: dict[Node, Codes] = {}
    outputs = set(program.outputs.values())
    live = set(program.live)
    for node in reversed(program.live):
        size = _size(node)
        if size is None:
            continue
        seen = [np.arange(size)[:, None]] if node in outputs else []
        for user in program.users[node]:
            if user in live:
                places = [k for k, operand in enumerate(user.operands) if operand is node]
                seen += [_seen_by(user, place, found) for place in places]
        found[node] = _alike(np.concatenate(seen, axis=1))
    return found


def _alike(rows: Codes) -> Codes:
    """For each row the number of the first that is equal."""
    first: dict[bytes, int] = {}
    places = [first.setdefault(row.tobytes(), k) for k, row in enumerate(rows)]
    return np.array(places, dtype=np.intp)


def _of(values: Sequence[Value], node: Node, classes: Codes) -> list[int]:
    """The classes of values of a node."""
    codes = codes_of(values_of(node.type) or ())
    return [int(classes[codes[value_key(v)]]) for v in values]


def _size(node: Node) -> int | None:
    """How many values a variable has, if they are few."""
    size = None if isinstance(node.type, Selector | Pooled) else size_of(node.type)
    return size if size is not None and size <= MAX_VALUES else None


def _seen_by(user: Node, place: int, classes: Mapping[Node, Codes]) -> Codes:
    """What a reader makes of each value of one of its operands: [value, …], equal rows if alike."""
    made = None if fails(user) else _known(user, place, classes)
    size = size_of(user.operands[place].type) or 0
    return np.arange(size)[:, None] if made is None else made.reshape(size, -1)


def _known(user: Node, place: int, classes: Mapping[Node, Codes]) -> Codes | None:
    """The same, None where every value counts as different."""
    match user.op:
        case Map():
            results = _results(user, classes)
            return None if results is None else np.moveaxis(results, place, 0)
        case Select(predicate):
            if isinstance(predicate, Always):
                return np.zeros(size_of(user.operands[place].type) or 0, dtype=np.intp)
            truth = _truth(user, predicate)
            return None if truth is None else np.moveaxis(truth, 1 - place, 0).astype(np.intp)
        case Choose(score=ScoreTable(rows=rows)):
            ranks = np.array([np.unique(row, return_inverse=True)[1].ravel() for row in rows])
            return np.moveaxis(ranks, 2 - place, 0)
        case Aggregate() if user in classes:
            return _passed_on(user, classes[user])
        case Classify(weights=weights) | ClassifyPooled(weights=weights):
            of = weights[place]
            if isinstance(of, TableWeights):
                return np.unique(np.array(of.rows), axis=0, return_inverse=True)[1]
    return None


def _results(node: Node, classes: Mapping[Node, Codes]) -> Codes | None:
    """The results of a map, by class: an axis for each operand."""
    assert isinstance(node.op, Map)
    if isinstance(node.op.function, Table):
        array = TableArray.of(node.op.function)
        if node not in classes:
            return array.codes
        return np.array(_of(array.values, node, classes[node]), dtype=np.intp)[array.codes]
    kernel = table_kernel(node) if node in classes else None
    if kernel is None:
        return None
    return classes[node][kernel.lookup.astype(np.intp)].reshape(kernel.sizes)


def _truth(node: Node, predicate: Comparison | Relation) -> Codes | None:
    """Which pairs a select matches: [query value, key value]."""
    keys, queries = (values_of(operand.type) for operand in node.operands)
    if keys is None or queries is None or len(keys) * len(queries) > MAX_PAIRS:
        return None
    if isinstance(predicate, Relation):
        return truth_of(predicate, keys).astype(np.intp)
    truth = holds(Rule(predicate), queries, keys)
    return None if truth is None else truth.astype(np.intp)


def _passed_on(node: Node, classes: Codes) -> Codes | None:
    """The class of each value that an aggregate reads; None where it takes means of them."""
    chosen, values = (operand.type for operand in node.operands)
    if chosen == Selector(Width.MANY) and has_means(values, node.type):
        return None
    return np.array(_of(values_of(values) or (), node, classes), dtype=np.intp)
