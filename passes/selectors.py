"""Selectors that are simpler than they look."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tpir.ir.expressions import BinaryOp, apply_binary
from tpir.ir.functions import Relation, ScoreTable
from tpir.ir.ops import (
    Aggregate,
    Always,
    And,
    Choose,
    Comparison,
    Map,
    Not,
    Op,
    Or,
    Otherwise,
    Select,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Selector, Width, size_of, values_of
from tpir.passes.base import Pass, PassResult, Rewriting, live_edges, rewrite, until_stable
from tpir.passes.constants import constant_op, is_empty
from tpir.passes.expressible import cut_to_keys, is_indices, normal_select
from tpir.passes.failing import can_fail, fails
from tpir.semantics.maps import table_kernel
from tpir.semantics.reachable import is_ranked

_COMPARED = 4096


@dataclass(frozen=True)
class Selectors(Pass):
    """Simplify selectors that are empty, full or do not depend on one of their sides.

    Laws: key values that the keys never have select nothing; of a causal program's positions none
    comes after the query; a relation whose rows are equal does not depend on its queries; an empty
    selector depends on nothing; ``choose`` of nothing is the first position, and the first position
    is always there to be chosen; each position is in its own universe, so choosing position i at i
    copies the value; s and s = s, not not s = s, and so on; only the order of a query's scores
    counts, and of at most one key neither order nor scores.

        s = select(tokens, q, {0 -> "a"; 1 -> "a"})   →   s = select(tokens, indices, {_ -> "a"})

    Sound: each law holds at every position of every input. What can fail keeps its operands.
    """

    name: ClassVar[str] = "selectors"

    def measure(self, program: Program) -> tuple[int, ...]:
        """Operands other than ``indices``, composed selectors, different rows of relations."""
        made = (And, Or, Not, Choose)
        composed = sum(
            isinstance(n.op, made)
            or (isinstance(n.op, Select) and isinstance(n.op.predicate, Comparison))
            for n in program.live
        )
        relations = [n.op.predicate for n in program.live if isinstance(n.op, Select)]
        keys = sum(len(set(r.rows)) for r in relations if isinstance(r, Relation))
        return (live_edges(program), composed, keys)

    def run(self, program: Program) -> PassResult:
        """Simplify every selector, and what aggregates through it."""
        return until_stable(program, lambda p: rewrite(p, _simplify))


def _simplify(rewriting: Rewriting, node: Node, operands: tuple[Node, ...]) -> Node | None:
    op = rewriting.fitted(node, operands)
    match op:
        case Select(Relation() as relation):
            return _relation(rewriting, node, operands, relation)
        case Select(Comparison(operator)):
            return _comparison(rewriting, node, operands, Comparison(operator))
        case Select(Always(truth)):
            return _always(rewriting, node, operands, truth)
        case And() | Or() | Not():
            return _algebra(rewriting, node, operands, op)
        case Choose():
            return _choose(rewriting, node, operands, op)
        case Aggregate():
            return _aggregate(rewriting, node, operands)
    return None


def _relation(
    rewriting: Rewriting, node: Node, operands: tuple[Node, ...], relation: Relation
) -> Node | None:
    keys, queries = operands
    relation = cut_to_keys(relation, keys)
    if is_indices(keys) and only_chosen(rewriting.program, node):
        rows = tuple(() if row == (0,) else row for row in relation.rows)
        relation = Relation(relation.queries, rows)
    predicate, keys, queries = normal_select(rewriting, keys, queries, relation)
    if (keys, queries) == operands and predicate == rewriting.fitted(node, operands).predicate:  # type: ignore[union-attr]
        return None
    why = "selects everything" if predicate == Always(True) else "selects the same in fewer words"
    return rewriting.replace(node, Select(predicate), (keys, queries), why)


def only_chosen(program: Program, select: Node) -> bool:
    """Whether all users of a selector choose one key of it, the first position where it is empty.

    To them, a query that can only select position 0 and a query that selects nothing are the same.
    """
    users = program.users[select]
    return bool(users) and all(
        isinstance(u.op, Choose) and u.op.score is None and u.op.otherwise is Otherwise.FIRST
        for u in users
    )


def _comparison(
    rewriting: Rewriting, node: Node, operands: tuple[Node, ...], predicate: Comparison
) -> Node | None:
    sizes = [size_of(o.type) for o in operands]
    if math.prod(size or _COMPARED + 1 for size in sizes) > _COMPARED:
        return None
    keys, queries = (values_of(o.type) or () for o in operands)
    if fails(node) or any(map(can_fail, operands)):
        return None
    # In a causal program no query sees the positions behind it.
    causal = rewriting.program.causal and all(map(is_indices, operands))
    pairs = ((k, q) for k in keys for q in queries if not (causal and k > q))  # type: ignore[operator]
    truths = {apply_binary(predicate.op, k, q) for k, q in pairs}
    if len(truths) > 1:
        return None
    truth = bool(truths.pop())
    both = (rewriting.indices(), rewriting.indices())
    why = f"its comparison is always {str(truth).lower()}"
    return rewriting.replace(node, Select(Always(truth)), both, why)


def _always(
    rewriting: Rewriting, node: Node, operands: tuple[Node, ...], truth: bool
) -> Node | None:
    if all(map(is_indices, operands)) or any(map(can_fail, operands)):
        return None
    both = (rewriting.indices(), rewriting.indices())
    why = f"selects {'everything' if truth else 'nothing'}, whatever it reads"
    return rewriting.replace(node, Select(Always(truth)), both, why)


def _algebra(
    rewriting: Rewriting, node: Node, operands: tuple[Node, ...], op: And | Or | Not
) -> Node | None:
    truths = [_truth(operand) for operand in operands]
    if isinstance(op, Not):
        if truths[0] is not None:
            return _constant_selector(rewriting, node, not truths[0])
        if isinstance(operands[0].op, Not):
            return rewriting.alias(node, operands[0].operands[0], "a double negation")
        return None
    absorbing, neutral = (False, True) if isinstance(op, And) else (True, False)
    for here, there in ((0, 1), (1, 0)):
        if truths[here] is neutral or operands[0] is operands[1]:
            return rewriting.alias(node, operands[there], "its other operand changes nothing")
        if truths[here] is absorbing and not can_fail(operands[there]):
            return _constant_selector(rewriting, node, absorbing)
    return None


def _truth(selector: Node) -> bool | None:
    """True for a selector of everything, False for one of nothing, None for any other.

    A selector that can fail is neither: without it the program might fail less often.
    """
    if is_empty(selector):
        return False
    full = selector.op == Select(Always(True)) and not can_fail(selector)
    return True if full else None


def _constant_selector(rewriting: Rewriting, node: Node, truth: bool) -> Node | None:
    both = (rewriting.indices(), rewriting.indices())
    return rewriting.replace(
        node, Select(Always(truth)), both, f"selects {'everything' if truth else 'nothing'}"
    )


def _choose(
    rewriting: Rewriting, node: Node, operands: tuple[Node, ...], op: Choose
) -> Node | None:
    selector = operands[0].type
    assert isinstance(selector, Selector)
    narrow = (Width.ONE,) if op.otherwise is Otherwise.FIRST else (Width.ONE, Width.AT_MOST_ONE)
    if selector.width in narrow and not any(map(can_fail, operands[1:])):
        return rewriting.alias(node, operands[0], "there is at most one key to choose from")
    if is_ranked(op) and at_most_one(operands[0]) and not any(map(can_fail, operands[1:])):
        why = "there is at most one key to choose from"
        return rewriting.replace(node, Choose(otherwise=op.otherwise), operands[:1], why)
    if op.score is None:
        return None
    new_op, new_operands = _normal_score(rewriting, op, op.score, operands)
    if new_op == op and new_operands == operands:
        return None
    return rewriting.replace(node, new_op, new_operands, "ranks the same with simpler scores")


def _normal_score(
    rewriting: Rewriting, op: Choose, score: ScoreTable, operands: tuple[Node, ...]
) -> tuple[Op, tuple[Node, ...]]:
    """Scores as ranks from 0 within each row; sides that do not matter are ``indices``."""
    selector, keys, queries = operands
    ranks = [tuple(np.unique(row, return_inverse=True)[1].ravel().tolist()) for row in score.rows]
    new = ScoreTable(score.queries, score.keys, tuple(ranks))
    positions = tuple(range(rewriting.program.context))
    if all(row == ranks[0] for row in ranks) and not can_fail(queries):
        queries = rewriting.indices()
        new = ScoreTable(positions, score.keys, (ranks[0],) * len(positions))
        if not any(ranks[0]) and not can_fail(keys):
            keys, flat = rewriting.indices(), (0,) * len(positions)
            new = ScoreTable(positions, positions, (flat,) * len(positions))
    return replace(op, score=new), (selector, keys, queries)


def _aggregate(rewriting: Rewriting, node: Node, operands: tuple[Node, ...]) -> Node | None:
    chosen, values = operands
    if not isinstance(chosen.op, Choose) or chosen.op.score is not None:
        return None
    selector = chosen.operands[0]
    if chosen.op.otherwise is Otherwise.FIRST and is_empty(selector) and is_indices(values):
        return rewriting.replace(node, constant_op(0), (), "always reads the first position")
    if selects_itself(selector, or_nothing=chosen.op.otherwise is Otherwise.FIRST):
        return rewriting.alias(node, values, "always reads its own position")
    return None


def selects_itself(selector: Node, *, or_nothing: bool) -> bool:
    """Whether a selector selects exactly the query's own position.

    With ``or_nothing``, at the first position it may as well select nothing.
    """
    if not all(map(is_indices, selector.operands)):
        return False
    match selector.op:
        case Select(Relation(queries, rows)):
            start = {(), (0,)} if or_nothing else {(0,)}
            pairs = zip(queries, rows, strict=True)
            return all(row == (q,) or (q == 0 and row in start) for q, row in pairs)
        case Select(Comparison(BinaryOp.EQUAL)):
            return True
    return False


def at_most_one(selector: Node) -> bool:
    """Whether a selector is sure to select at most one key, whatever the input."""
    match selector.op:
        case And():
            return any(map(at_most_one, selector.operands))
        case Select(Relation() as relation) if _are_distinct(selector.operands[0]):
            cut = cut_to_keys(relation, selector.operands[0])
            return all(len(row) <= 1 for row in cut.rows)
        case Select(Comparison(BinaryOp.EQUAL)):
            return _are_distinct(selector.operands[0])
    return selector.type != Selector(Width.MANY)


def _are_distinct(keys: Node) -> bool:
    """Whether a sequence of whole numbers has another one at each position."""
    if is_indices(keys):
        return True
    kernel = table_kernel(keys) if isinstance(keys.op, Map) and keys.operands else None
    if kernel is None or not all(map(is_indices, keys.operands)):
        return False
    if any(type(v) is not int for v in values_of(keys.type) or (None,)):
        return False
    positions = kernel.lookup.reshape(kernel.sizes)[(range(kernel.sizes[0]),) * len(kernel.sizes)]
    return len(np.unique(positions)) == len(positions)
