"""Selectors as what the heads of a Transformer Program match by: relations that all must hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer_program_refusal import refusal
from tpir.ir.adapt import adapt
from tpir.ir.builder import Builder
from tpir.ir.conjunctions import Conjunction, Match, conjoin, either, without_constants
from tpir.ir.expressions import Failure, apply_binary
from tpir.ir.functions import Domain, Relation, Table, codes_of
from tpir.ir.ops import Always, And, Comparison, Map, Not, Op, Or, Select
from tpir.ir.program import Node
from tpir.ir.types import values_of
from tpir.ir.values import Value, sorted_values, value_key
from tpir.models.config import Predicates


class SeveralKeys(Exception):
    """A head needs predicates that match sets, in a program for which nothing is decided yet."""


@dataclass(frozen=True)
class _Sides:
    """Where a selector selects and where it does not; None for what is no conjunction."""

    selected: Conjunction | None = None
    others: Conjunction | None = None


class Selectors:
    """The selectors of a program by the nodes that they were, and heads' selectors made of them.

    ``predicates`` is how many key values a query value matches, None where that is not decided.
    New nodes go to ``builder``; ``indices`` is a node of it. Where ``source`` is given, relations
    read the variable that it gives for a node, which is one that the node is a table of.
    """

    def __init__(
        self,
        builder: Builder,
        indices: Node,
        predicates: Predicates | None,
        source: Callable[[Node], Node | None] | None = None,
    ) -> None:
        self._builder, self._indices, self._predicates = builder, indices, predicates
        self._source = source
        self._sides: dict[Node, _Sides] = {}

    def relate(self, node: Node, keys: Node, queries: Node) -> None:
        """Take in a ``select`` of new categorical nodes.

        A constant query is no variable: whatever is there in its place, the same keys match. So is
        a constant key, which matches a query as a whole or not at all, where sets can match.

        Raises TpirError for a comparison that can fail.
        """
        assert isinstance(node.op, Select)
        positions = len(_domain(self._indices))
        if isinstance(node.op.predicate, Always):
            every = Match(self._indices, self._indices, np.ones((positions, positions), bool))
            sides = _Sides((), (every.opposite,))
            self._sides[node] = sides if node.op.predicate.truth else _Sides(*_swapped(sides))
            return
        match = self._of_sources(Match(keys, queries, _holds(node, keys, queries)))
        match = without_constants(match, self._indices, keys=self._predicates == "set")
        self._sides[node] = _Sides((match,), (match.opposite,))

    def _of_sources(self, match: Match) -> Match:
        """The same of the variables that tables read; of keys where sets of them can match."""
        queries, holds = self._of_source(match.queries, match.holds)
        keys = match.keys
        if self._predicates == "set":
            keys, transposed = self._of_source(keys, holds.T)
            holds = transposed.T
        return Match(keys, queries, holds)

    def _of_source(self, node: Node, holds: NDArray[np.bool_]) -> tuple[Node, NDArray[np.bool_]]:
        """A variable to read in place of ``node``, and ``holds`` [value of it, other value]."""
        while self._source is not None and (source := self._source(node)) is not None:
            assert isinstance(node.op, Map) and isinstance(node.op.function, Table)
            codes = codes_of(_domain(node))
            holds = holds[[codes[value_key(value)] for value in node.op.function.results]]
            node = source
        return node, holds

    def combine(self, node: Node) -> None:
        """Take in an ``and``, ``or`` or ``not`` of what was taken in before."""
        sides = [self._sides.get(operand, _Sides()) for operand in node.operands]
        if isinstance(node.op, Not):
            self._sides[node] = _Sides(*_swapped(sides[0]))
            return
        assert isinstance(node.op, And | Or)
        if isinstance(node.op, Or):
            sides = [_Sides(*_swapped(side)) for side in sides]
        left, right = sides
        made = _Sides(_both(left.selected, right.selected), _either(left.others, right.others))
        self._sides[node] = _Sides(*_swapped(made)) if isinstance(node.op, Or) else made

    def conjunction(self, node: Node) -> Conjunction:
        """The relations that all must hold where ``node`` selects.

        Raises TpirError where there are none such.
        """
        found = self._sides.get(node, _Sides()).selected
        if found is None:
            raise refusal(node, "a head has relations of two variables each, and all must hold")
        return found

    def selector(self, node: Node) -> Node:
        """A new node that a head can match by: a relation, or an ``and`` of relations.

        Raises SeveralKeys, or TpirError where predicates match one key value: keys are then mapped
        to classes where no two different rows share a key value.
        """
        matches = self.conjunction(node)
        if not matches:
            return self._every(node)
        rows = [_rows(match) for match in matches]
        of_one_key = len(matches) == 1 and all(len(row) <= 1 for row in rows[0])
        if self._predicates != "set" and not of_one_key:
            if self._predicates is None:
                raise SeveralKeys
            if len(matches) > 1:
                raise refusal(node, "with predicates of one key value, a head has one relation")
            return self._by_class(node, matches[0], rows[0])
        selectors = [
            self._related(node, match.keys, match.queries, found)
            for match, found in zip(matches, rows, strict=True)
        ]
        selector = selectors[0]
        for other in selectors[1:]:
            selector = self._add(node, And(), selector, other)
        return selector

    def _every(self, node: Node) -> Node:
        """Every key; if not as a set, as the relation of a constant to itself."""
        positions = _domain(self._indices)
        if self._predicates == "set":
            rows = [positions] * len(positions)
            return self._related(node, self._indices, self._indices, rows)
        constant = self._add(node, Map(Table((), (0,))), suffix="_any")
        return self._related(node, constant, self._indices, [(0,)] * len(positions))

    def _by_class(self, node: Node, match: Match, rows: Sequence[Domain]) -> Node:
        """Where no two different rows share a key value: the keys as classes, one for each row."""
        classes = dict.fromkeys(tuple(map(value_key, row)) for row in rows if row)
        number = {key: k for k, row in enumerate(classes) for key in row}
        if len(number) != sum(map(len, classes)):
            raise refusal(node, "a query value matches one key value, here some match several")
        domain = _domain(match.keys)
        results = tuple(number.get(value_key(v), len(classes)) for v in domain)
        constant = len(set(results)) == 1
        table = Table((), results[:1]) if constant else Table((domain,), results)
        keys = self._add(node, Map(table), *([] if constant else [match.keys]), suffix="_class")
        matched = [(number[value_key(row[0])],) if row else () for row in rows]
        return self._related(node, keys, match.queries, matched)

    def _related(
        self, node: Node, keys: Node, queries: Node, rows: Sequence[tuple[Value, ...]]
    ) -> Node:
        return self._add(node, Select(Relation(_domain(queries), tuple(rows))), keys, queries)

    def _add(self, old: Node, op: Op, *operands: Node, suffix: str = "") -> Node:
        return self._builder.add(op, operands, name=old.name + suffix, origin=old.origin)


def conjuncts_of(selector: Node) -> list[Node]:
    """The relations of a selector that heads match by."""
    found = []
    while isinstance(selector.op, And):
        selector, last = selector.operands
        found.append(last)
    return [selector, *reversed(found)]


def _swapped(sides: _Sides) -> tuple[Conjunction | None, Conjunction | None]:
    return sides.others, sides.selected


def _both(left: Conjunction | None, right: Conjunction | None) -> Conjunction | None:
    return None if left is None or right is None else conjoin((*left, *right))


def _either(left: Conjunction | None, right: Conjunction | None) -> Conjunction | None:
    if left == () or right == ():
        return ()
    return None if left is None or right is None else either(left, right)


def _holds(node: Node, keys: Node, queries: Node) -> NDArray[np.bool_]:
    """Which key values match which query values, [query value, key value]."""
    domain, op = _domain(keys), adapt(node.op, [keys.type, queries.type])
    assert isinstance(op, Select)
    predicate = op.predicate
    if isinstance(predicate, Relation):
        codes = codes_of(domain)
        holds = np.zeros((len(predicate.rows), len(domain)), dtype=np.bool_)
        for k, row in enumerate(predicate.rows):
            holds[k, [codes[value_key(v)] for v in row if value_key(v) in codes]] = True
        return holds
    assert isinstance(predicate, Comparison)
    try:
        return np.array(
            [
                [bool(apply_binary(predicate.op, key, query)) for key in domain]
                for query in _domain(queries)
            ]
        )
    except Failure as failure:
        raise refusal(node, f"it can fail: {failure.kind}") from failure


def _rows(match: Match) -> list[tuple[Value, ...]]:
    """For each query value the key values that match it."""
    domain = _domain(match.keys)
    return [
        sorted_values(v for v, holds in zip(domain, row, strict=True) if holds)
        for row in match.holds
    ]


def _domain(node: Node) -> Domain:
    values = values_of(node.type)
    assert values is not None
    return values
