"""Small changes to a program that would make it shorter, if they are right.

Whether they are is for whoever proposes them to find out: ``trim`` on all inputs, ``distill`` on
data. Nodes that a change does not touch stay the same objects, so that what is known of them stays
known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tpir.errors import TpirError
from tpir.ir.adapt import adapt
from tpir.ir.expression_types import type_of_expression
from tpir.ir.expressions import Argument, Binary, BinaryOp, Expression, Literal, evaluate
from tpir.ir.functions import Domain, Relation, Table
from tpir.ir.infer import TypeProblem, infer
from tpir.ir.ops import And, Classify, Comparison, Indices, Map, Op, Or, Select
from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled, Selector, values_of
from tpir.ir.values import Value
from tpir.passes.constants import constant_of, constant_op
from tpir.passes.narrowing import fits
from tpir.passes.relation_rules import OPERATORS, Rule, holds, truth_of
from tpir.passes.tables import Codes, TableArray
from tpir.passes.widening import instead
from tpir.text.print_expression import print_expression

MOST_EDITS = 1200
"""Where there are more edits to try than this, rows are not tried one by one."""

MOST_ROWS = 1024
"""Larger tables are not changed."""


@dataclass(frozen=True, eq=False)
class Edit:
    """One node changed: another op on other operands, or (op None) another node instead.

    With ``through``, the last operand goes through a new map of that expression first.
    """

    node: str
    op: Op | None
    operands: tuple[str, ...]
    why: str
    through: Expression | None = None

    @property
    def key(self) -> object:
        """What tells edits apart."""
        return (self.node, self.op, self.operands, self.through)


def edited(program: Program, edit: Edit) -> Program | None:
    """The program after an edit, without what is dead; None where the edit has no place in it."""
    names = program.by_name
    if edit.node not in names or any(name not in names for name in edit.operands):
        return None
    old = names[edit.node]
    operands = tuple(names[name] for name in edit.operands)
    places = {node: k for k, node in enumerate(program.nodes)}
    if any(places[operand] >= places[old] for operand in operands):
        return None
    if edit.op is None:
        return instead(program, old, operands[0])
    if edit.through is not None:
        name = f"{edit.node}_of"
        type_ = type_of_expression(edit.through, (operands[-1].type,))
        inner = Node(Map(edit.through), operands[-1:], type_, name, old.origin)
        if name in names:
            return None
        operands = (*operands[:-1], inner)
    new = _made(program, old, edit.op, operands)
    return None if new is None else instead(program, old, new)


def _made(program: Program, old: Node, op: Op, operands: tuple[Node, ...]) -> Node | None:
    types = [operand.type for operand in operands]
    try:
        op = adapt(op, types)
        type_ = infer(op, types, program.header.surroundings)
    except (TypeProblem, TpirError):
        return None
    return Node(op, operands, type_, old.name, old.origin, old.comments)


def candidates(program: Program) -> list[Edit]:
    """Edits worth trying, those that take most away first: last nodes before those they read.

    Single rows only where that is not too many.
    """
    nodes = program.live[::-1]
    whole = [edit for node in nodes for edit in _instead(program, node)]
    fine = [edit for node in nodes for edit in edits_of(node, rows=True)]
    if len(whole) + len(fine) > MOST_EDITS:
        fine = [edit for node in nodes for edit in edits_of(node, rows=False)]
    return [*whole, *fine]


def edits_of(node: Node, *, rows: bool) -> Iterator[Edit]:
    """Edits of what a node computes; with ``rows`` those of single rows, too."""
    match node.op:
        case Select(Relation() as relation):
            yield from _relations(node, relation, single=rows)
        case Map(Table() as table) if table.domains and len(table.results) <= MOST_ROWS:
            yield from _tables(node, table, single=rows)


def _edit(node: Node, op: Op, why: str) -> Edit:
    return Edit(node.name, op, tuple(operand.name for operand in node.operands), why)


# ---- another node instead


def _instead(program: Program, node: Node) -> Iterator[Edit]:
    """A node that reads fewer others: no feature, one part of a selector, an earlier node."""
    if isinstance(node.op, Classify):
        yield from _features(node, node.op)
        return
    if isinstance(node.op, And | Or):
        for part in dict.fromkeys(node.operands):
            yield Edit(node.name, None, (part.name,), f"{part.name} alone selects what matters")
    if not node.operands or isinstance(node.type, Selector | Pooled):
        return
    if constant_of(node) is None:
        for value in _few_values(node):
            yield Edit(node.name, constant_op(value), (), f"might as well be {value!r}")
    for other in program.live:
        if other is node:
            break
        if constant_of(other) is None and fits(other.type, node.type):
            yield Edit(node.name, None, (other.name,), f"might as well be {other.name}")


def _few_values(node: Node) -> tuple[Value, ...]:
    values = values_of(node.type) or ()
    return values if len(values) <= 16 else values[:1]


def _features(node: Node, op: Classify) -> Iterator[Edit]:
    for k, operand in enumerate(node.operands):
        kept = [j for j in range(len(node.operands)) if j != k]
        new = Classify(op.labels, op.bias, tuple(op.weights[j] for j in kept))
        names = tuple(node.operands[j].name for j in kept)
        yield Edit(node.name, new, names, f"does not need {operand.name}")


# ---- relations


def _relations(node: Node, relation: Relation, *, single: bool) -> Iterator[Edit]:
    """Rows made equal: all of one kind, then one by one."""
    keys, queries = (values_of(operand.type) for operand in node.operands)
    if keys is not None and queries is not None:
        yield from _comparisons(node, relation, keys)
    if all(isinstance(operand.op, Indices) for operand in node.operands):
        yield from _positions(node, relation)
    rows = relation.rows
    kinds = sorted(dict.fromkeys([*rows, ()]), key=lambda row: -rows.count(row))
    for lose in reversed(kinds):
        for keep in kinds:
            if keep != lose and lose in rows:
                new = tuple(keep if row == lose else row for row in rows)
                yield _relation(node, relation, new)
    for k, row in enumerate(rows if single else ()):
        for keep in kinds:
            if keep != row and rows.count(row) > 1:
                yield _relation(node, relation, (*rows[:k], keep, *rows[k + 1 :]))


def _comparisons(node: Node, relation: Relation, keys: Domain) -> Iterator[Edit]:
    """Comparisons of keys and queries that select most of what is selected, and little else."""
    truth = truth_of(relation, keys)
    for op in OPERATORS:
        held = holds(Rule(Comparison(op)), relation.queries, keys)
        if held is not None and 2 * (held & truth).sum() > (held | truth).sum():
            why = f"might as well select key {op.value} query"
            yield _edit(node, Select(Comparison(op)), why)


def _positions(node: Node, relation: Relation) -> Iterator[Edit]:
    """Positions a fixed distance away, or mirrored, where at least half of the rows say so."""
    size = len(relation.queries)
    names = tuple(operand.name for operand in node.operands)
    for constant in range(1, 2 * size):
        for op, left, right in (
            (BinaryOp.SUBTRACT, Argument(0), Literal(constant)),
            (BinaryOp.ADD, Argument(0), Literal(constant)),
            (BinaryOp.SUBTRACT, Literal(constant), Argument(0)),
        ):
            expression = Binary(op, left, right)
            wanted = [evaluate(expression, (query,)) for query in relation.queries]
            if 2 * sum(row == (w,) for row, w in zip(relation.rows, wanted, strict=True)) >= size:
                why = f"might as well ask for {print_expression(expression, ['i'])}"
                yield Edit(node.name, Select(Comparison(BinaryOp.EQUAL)), names, why, expression)


def _relation(node: Node, relation: Relation, rows: tuple[tuple[Value, ...], ...]) -> Edit:
    why = "might as well ask for other keys"
    return _edit(node, Select(Relation(relation.queries, rows)), why)


# ---- tables


def _tables(node: Node, table: Table, *, single: bool) -> Iterator[Edit]:
    """Results made equal, values of an argument made alike, and rows given the usual result."""
    array = TableArray.of(table)
    counts = np.bincount(array.codes.ravel(), minlength=len(array.values))
    order = np.argsort(counts, kind="stable").tolist()
    for lose in order:
        for keep in reversed(order):
            if keep != lose:
                codes = np.where(array.codes == lose, keep, array.codes)
                yield _table(node, array, codes)
    for axis in range(array.codes.ndim if single else 0):
        moved = np.moveaxis(array.codes, axis, 0)
        for lose, keep in _pairs(moved):
            codes = moved.copy()
            codes[lose] = moved[keep]
            yield _table(node, array, np.moveaxis(codes, 0, axis))
    usual = order[-1]
    for place in np.argwhere(array.codes != usual)[: 64 if single else 0]:
        codes = array.codes.copy()
        codes[tuple(place)] = usual
        yield _table(node, array, codes)


def _pairs(slices: Codes) -> list[tuple[int, int]]:
    """Different slices of a table, the likest first."""
    flat = slices.reshape(len(slices), -1)
    found = []
    for lose in range(len(flat)):
        for keep in range(len(flat)):
            distance = int((flat[lose] != flat[keep]).sum())
            if distance:
                found.append((distance, lose, keep))
    return [(lose, keep) for _, lose, keep in sorted(found)[: 4 * len(flat)]]


def _table(node: Node, array: TableArray, codes: Codes) -> Edit:
    why = "has rows that might as well be others"
    return _edit(node, Map(TableArray(array.domains, codes, array.values).table()), why)
