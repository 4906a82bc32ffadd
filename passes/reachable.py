"""Values and rows that no accepted input reaches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from tpir.ir.functions import FeatureWeights, NumberWeights, Relation, Table, TableWeights
from tpir.ir.ops import (
    Aggregate,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Not,
    Op,
    Or,
    Select,
    Tokens,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled, Selector, values_of
from tpir.ir.values import distinct, value_key
from tpir.passes.base import Pass, PassResult, Rewriting, live_edges, rows_of, until_stable
from tpir.passes.constants import constant_of, constant_op
from tpir.passes.dont_cares import Bools, Filled, fill_table, most_common
from tpir.passes.expressible import constant_is_welcome
from tpir.passes.failing import can_fail
from tpir.passes.reading import reading_size_of_op
from tpir.passes.selectors import only_chosen
from tpir.semantics.observed import observed_facts
from tpir.semantics.program_space import space_of
from tpir.semantics.reachable import Facts, reachable_facts

MAX_COMPARED = 1024
"""Larger tables are filled without a look at which way of filling them is short."""

MAX_PAIRS = 2**27
"""Exhaustive runs are not made where inputs times context squared is more than this."""


@dataclass(frozen=True)
class Reachable(Pass):
    """Use what cannot happen on the inputs that the program accepts.

    Laws: a row that is never looked up may hold anything; a sequence with one possible value is
    that constant; a query value that can match no key may as well ask for none, and one whose
    choice is always the first position too, for nothing chosen is the first position; a choice that
    is always the own position copies the value, and one that depends on the position alone is a
    relation of positions; of at most one key, no order and no scores are needed; a label that is
    never predicted need not be listed.

        a = map(tokens) {"<s>" -> 0; _ -> 1};  b = map(a, tokens) {(0, "x") -> 5; (_, _) -> 7}
            →   b = map() {7}          because a is 0 at "<s>" alone, and that is not "x"

    Sound on the program's input space, and only there: ``tpir.semantics.reachable`` never leaves
    out what can occur. With ``exhaustive`` N, a space of at most N inputs is run instead: then it
    is exact.
    """

    name: ClassVar[str] = "reachable"
    exhaustive: int = field(
        default=0, metadata={"least": 0, "help": "run all inputs where they are at most this many"}
    )

    def measure(self, program: Program) -> tuple[int, ...]:
        """Operands other than ``indices``, then rows of functions that differ; constants have 0."""
        return (live_edges(program), sum(_different_rows(node.op) for node in program.live))

    def run(self, program: Program) -> PassResult:
        """Fill, cut and fold, until nothing more comes of it."""
        return until_stable(program, self._once)

    def _once(self, program: Program) -> PassResult:
        facts = self._facts(program)
        return Rewriting(program).run(
            lambda r, node, operands: _Rules(r, facts).apply(node, operands)
        )

    def _facts(self, program: Program) -> Facts:
        space = space_of(program)
        if self.exhaustive and space.count() <= self.exhaustive:
            pairs = sum(n * length**2 for length, n in space.count_by_length().items())
            if pairs <= MAX_PAIRS:
                return observed_facts(program, space)
        return reachable_facts(program, space)


@dataclass(frozen=True, eq=False)
class _Rules:
    rewriting: Rewriting
    facts: Facts

    def apply(self, node: Node, operands: tuple[Node, ...]) -> Node | None:
        """What replaces a node, if anything."""
        constant = self._constant(node)
        if constant is not None:
            return constant
        match node.op:
            case Map(Table() as table):
                return self._table(node, table)
            case Select(Relation() as relation):
                return self._relation(node, operands, relation)
            case Choose() as op:
                return self._by_position(node, op) or self._of_one(node, operands, op)
            case Aggregate() if self._reads_itself(node):
                why = "always reads its own position"
                return self.rewriting.alias(node, operands[1], why)
            case Classify() | ClassifyPooled():
                return self._readout(node, operands, node.op)
        return None

    def _reads_itself(self, node: Node) -> bool:
        """Whether an aggregate copies its own position through a selector that cannot fail."""
        return node.operands[0] in self.facts.own and not can_fail(node.operands[0])

    def _by_position(self, node: Node, op: Choose) -> Node | None:
        """A choice that depends on the position alone, as a relation of positions: no longer."""
        places, selector = self.facts.places.get(node), node.operands[0]
        if places is None or (places.sum(axis=1) > 1).any() or node in self.facts.own:
            return None
        alone = self.rewriting.program.users[selector] == (node,)
        if not alone or can_fail(node) or not _could_be_simpler(selector):
            return None
        if _rows_of_selector(selector) < len(places):
            return None
        rows = tuple((int(row.argmax()),) if row[1:].any() else () for row in places)
        relation = Select(Relation(tuple(range(len(rows))), rows))
        both = (self.rewriting.indices(), self.rewriting.indices())
        select = self.rewriting.builder.add(relation, both, name=selector.name)
        why = "chooses by the position alone"
        return self.rewriting.replace(node, replace(op, score=None), (select,), why)

    def _of_one(self, node: Node, operands: tuple[Node, ...], op: Choose) -> Node | None:
        """A choice without scores and offsets, where there is never more than one key."""
        if node not in self.facts.single or any(map(can_fail, node.operands)):
            return None
        why = "never has more than one key to choose from"
        return self.rewriting.replace(node, Choose(otherwise=op.otherwise), operands[:1], why)

    def _constant(self, node: Node) -> Node | None:
        """A constant in the place of a sequence with one possible value."""
        seen = self.facts.values.get(node)
        if seen is None or seen.sum() != 1 or isinstance(node.type, Selector | Pooled):
            return None
        # A readout stays one, with the one label it gives: weights end in a readout.
        if isinstance(node.op, Tokens | Indices | Classify) or constant_of(node) is not None:
            return None
        if can_fail(node):
            return None
        domain = values_of(node.type)
        assert domain is not None
        value = domain[int(seen.argmax())]
        if not constant_is_welcome(self.rewriting.program, node, value):
            self.rewriting.refuse(node, f"a number that is always {value} has no place in weights")
            return None
        return self.rewriting.replace(node, constant_op(value), (), f"is always {value!r}")

    def _table(self, node: Node, table: Table) -> Node | None:
        reached = self.facts.rows.get(node)
        if reached is None or reached.all() or not reached.any():
            return None
        droppable = [not can_fail(operand) for operand in node.operands]
        filled = fill_table(table, reached, droppable)
        if filled.table == table or _is_settled(table, reached, filled):
            return None
        kept = tuple(self.rewriting.new(node.operands[k]) for k in filled.kept)
        why = f"{int((~reached).sum())} of {reached.size} rows are never reached"
        return self._replaced(node, Map(filled.table), kept, why)

    def _relation(self, node: Node, operands: tuple[Node, ...], relation: Relation) -> Node | None:
        asked = self.facts.values.get(node.operands[1])
        if asked is None:
            return None
        empty = ~self._may_count(node, asked)
        needed = {r for r, e, a in zip(relation.rows, empty, asked, strict=True) if a and not e}
        rows = [
            () if e and row not in needed else row
            for row, e in zip(relation.rows, empty.tolist(), strict=True)
        ]
        common = most_common(rows, asked.tolist())
        rows = [row if a else common for row, a in zip(rows, asked.tolist(), strict=True)]
        if rows == list(relation.rows):
            return None
        why = "asks for keys that are never there, or of queries that never are"
        return self._replaced(node, Select(Relation(relation.queries, tuple(rows))), operands, why)

    def _may_count(self, node: Node, asked: Bools) -> Bools:
        """For each query value, whether its row can make a difference."""
        counts = asked.copy()
        matched = self.facts.matched.get(node)
        if matched is not None:
            counts &= matched
        if only_chosen(self.rewriting.program, node):
            users = self.rewriting.program.users[node]
            elsewhere = [self.facts.elsewhere.get(user, asked) for user in users]
            counts &= np.logical_or.reduce(elsewhere)
        return counts

    def _readout(
        self, node: Node, operands: tuple[Node, ...], op: Classify | ClassifyPooled
    ) -> Node | None:
        weights = tuple(map(self._weights, op.weights, node.operands))
        new: Classify | ClassifyPooled = replace(op, weights=weights)
        predicted = self.facts.values.get(node)
        if predicted is not None and predicted.any():
            new = _with_labels(new, np.flatnonzero(predicted).tolist())
        if new == op:
            return None
        why = "weights of values that never occur do not count"
        return self._replaced(node, new, operands, why)

    def _weights(self, weights: FeatureWeights, operand: Node) -> FeatureWeights:
        seen = self.facts.values.get(operand)
        if seen is None or not isinstance(weights, TableWeights) or not seen.any():
            return weights
        flags = seen.tolist()
        common = most_common(weights.rows, flags)
        rows = tuple(row if s else common for row, s in zip(weights.rows, flags, strict=True))
        return TableWeights(weights.domain, rows)

    def _replaced(self, node: Node, op: Op, operands: tuple[Node, ...], why: str) -> Node | None:
        """A replacement that was made for the old operands' types, cut to the new ones."""
        return self.rewriting.replace(node, self.rewriting.cut(op, operands), operands, why)


def _is_settled(table: Table, reached: Bools, filled: Filled) -> bool:
    """Whether a table is filled already, otherwise, and no longer to read than it would be.

    So what a pass that looks for short tables has made of one stays.
    """
    if len(table.results) > MAX_COMPARED or len(filled.kept) < len(table.domains):
        return False
    held = {value_key(v) for v, r in zip(table.results, reached.flat, strict=True) if r}
    only_held = all(value_key(v) in held for v in table.results)
    return only_held and reading_size_of_op(Map(table)) <= reading_size_of_op(Map(filled.table))


def _could_be_simpler(selector: Node) -> bool:
    """Whether a relation of positions is simpler than a selector: rules of positions stay."""
    if isinstance(selector.op, Select) and isinstance(selector.op.predicate, Relation):
        return not all(isinstance(operand.op, Indices) for operand in selector.operands)
    return _reads_tokens(selector)


def _rows_of_selector(selector: Node) -> int:
    """How many rows the relations have that a selector is made of."""
    if isinstance(selector.op, And | Or | Not):
        return sum(map(_rows_of_selector, selector.operands))
    return rows_of(selector.op)


def _reads_tokens(node: Node) -> bool:
    """Whether a node depends on more than position and length."""
    stack, seen = [node], {node}
    while stack:
        below = stack.pop()
        if isinstance(below.op, Tokens):
            return True
        fresh = set(below.operands) - seen
        seen |= fresh
        stack.extend(fresh)
    return False


def _different_rows(op: Op) -> int:
    match op:
        case Map(Table(domains=domains, results=results)):
            return len(distinct(results)) if domains else 0
        case Map():
            return 1
        case Select(Relation(rows=rows)):
            return len(set(rows))
        case Classify() | ClassifyPooled():
            tables = [w for w in op.weights if isinstance(w, TableWeights)]
            return len(op.labels) + sum(len(set(w.rows)) for w in tables)
    return 0


def _with_labels(op: Classify | ClassifyPooled, kept: list[int]) -> Classify | ClassifyPooled:
    """The readout of some of its labels."""

    def of(row: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(row[k] for k in kept)

    def cut(weights: FeatureWeights) -> FeatureWeights:
        if isinstance(weights, TableWeights):
            return TableWeights(weights.domain, tuple(map(of, weights.rows)))
        return NumberWeights(of(weights.row))

    labels = tuple(op.labels[k] for k in kept)
    return replace(op, labels=labels, bias=of(op.bias), weights=tuple(map(cut, op.weights)))
