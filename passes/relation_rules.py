"""Relations that are rules: comparisons of what keys and queries hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import (
    ORDERINGS,
    Argument,
    Binary,
    BinaryOp,
    Expression,
    Literal,
    apply_binary,
    evaluate,
)
from tpir.ir.functions import Domain, Relation
from tpir.ir.ops import Always, And, Comparison, Map, Op, Predicate, Select
from tpir.ir.program import Node, Program
from tpir.ir.types import values_of
from tpir.ir.values import Value, is_number, value_key
from tpir.passes.base import Pass, PassResult, for_each, until_stable
from tpir.passes.expressible import is_indices
from tpir.passes.failing import can_fail
from tpir.passes.reading import reading_size
from tpir.passes.selectors import only_chosen
from tpir.passes.widening import instead, node_instead
from tpir.semantics.meetings import Pairs, pairs_met
from tpir.semantics.program_space import space_of
from tpir.text.print_expression import print_expression

Bools = NDArray[np.bool_]

_ITSELF = Argument(0)
OPERATORS = (
    BinaryOp.EQUAL,
    BinaryOp.LESS,
    BinaryOp.GREATER,
    BinaryOp.LESS_EQUAL,
    BinaryOp.GREATER_EQUAL,
    BinaryOp.NOT_EQUAL,
)


@dataclass(frozen=True)
class Rule:
    """A predicate, and what is compared: an operand, an expression of it, or a constant.

    With ``besides``, another rule has to hold as well.
    """

    predicate: Predicate
    keys: Expression = _ITSELF
    queries: Expression = _ITSELF
    besides: Rule | None = None

    def __str__(self) -> str:
        if not isinstance(self.predicate, Comparison):
            return "selects everything" if self.predicate == Always(True) else "selects nothing"
        left = print_expression(self.keys, ["key"])
        said = f"{left} {self.predicate.op.value} {print_expression(self.queries, ['query'])}"
        return said if self.besides is None else f"{said} and {self.besides}"


@dataclass(frozen=True)
class RelationRules(Pass):
    """Write a relation as a comparison.

    Law: a relation may be any predicate that says the same of every pair of a query value and a key
    value that an accepted input brings together.

        keys {"a" -> {}; "b" -> "a"; "c" -> {"a", "b"}}   →   select(tokens, tokens, <)

    Compared are the operands, a query (or key) and a constant, both of these, a key and a query
    plus or minus a constant, or a constant minus it. Sound: no pair that comes together is left out
    (``tpir.semantics.meetings``); exact where there are at most ``inputs`` inputs. Of the rules
    that hold the simplest is taken, and none where the relation is shorter.
    """

    name: ClassVar[str] = "relation-rules"
    inputs: int = field(
        default=1_000_000, metadata={"least": 0, "help": "most inputs that are all run"}
    )

    def measure(self, program: Program) -> tuple[int, ...]:
        """Characters to read."""
        return (reading_size(program),)

    def run(self, program: Program) -> PassResult:
        """Rewrite every relation that has a shorter rule."""
        return until_stable(program, self._once)

    def _once(self, program: Program) -> PassResult:
        selects = [node for node in program.live if _is_relation(node)]
        if not selects:
            return PassResult(program, False)
        met = pairs_met(program, selects, space_of(program), self.inputs)
        return for_each(program, {n: met[n] for n in selects if n in met}, _apply)


def _is_relation(node: Node) -> bool:
    relation = isinstance(node.op, Select) and isinstance(node.op.predicate, Relation)
    return relation and not any(map(can_fail, node.operands))


def _apply(program: Program, known: Node, met: Pairs) -> PassResult:
    """The program with the simplest rule for one select, of which is known what it ``met``."""
    node = program.by_name[known.name]
    if node.op != known.op:  # its operands have got other values meanwhile: the next round
        return PassResult(program, False)
    for rule in rules_of(known, met, chosen=only_chosen(program, node)):
        new = _node(program, node, rule)
        made = None if new is None else instead(program, node, new)
        if made is not None and reading_size(made) < reading_size(program):
            witness = {name: name for name in program.by_name if name in made.by_name}
            return PassResult(made, True, (f"{node.name}: {rule}",), witness)
    return PassResult(program, False)


def _node(program: Program, node: Node, rule: Rule) -> Node | None:
    """The selector that a rule is."""
    if rule.besides is None:
        return _select(program, node, rule, node.name)
    both = (replace(rule, besides=None), rule.besides)
    names = [_free_name(program, f"{node.name}_{k}") for k in (1, 2)]
    parts = [_select(program, node, *part) for part in zip(both, names, strict=True)]
    if parts[0] is None or parts[1] is None:
        return None
    return node_instead(program, node, And(), (parts[0], parts[1]))


def _select(program: Program, node: Node, rule: Rule, name: str) -> Node | None:
    """The select that a rule without another is."""
    keys, queries = node.operands
    if isinstance(rule.predicate, Comparison):
        left = _side(program, node, rule.keys, keys)
        right = _side(program, node, rule.queries, queries)
        if left is None or right is None:
            return None
        keys, queries = left, right
    return node_instead(program, node, Select(rule.predicate), (keys, queries), name=name)


def _side(program: Program, node: Node, expression: Expression, operand: Node) -> Node | None:
    """What one side of a rule reads: the operand itself, or a map, made if there is none yet."""
    if isinstance(expression, Argument):
        return operand
    op: Op = Map(expression)
    operands = () if isinstance(expression, Literal) else (operand,)
    for other in program.nodes:
        if other is node:
            break
        if other.op == op and other.operands == operands:
            return other
    name = _free_name(program, "shifted" if operands else "wanted")
    return node_instead(program, node, op, operands, name=name)


def _free_name(program: Program, wanted: str) -> str:
    numbered = (f"{wanted}_{k}" for k in count(2))
    return next(name for name in chain((wanted,), numbered) if name not in program.by_name)


# ---- which rules hold


def rules_of(node: Node, met: Pairs, *, chosen: bool) -> Iterator[Rule]:
    """The rules that say of all pairs [query value, key value] that are met what a relation says.

    With ``chosen``, a query that selects the first position alone may as well select nothing.
    """
    relation, keys = node.op.predicate, values_of(node.operands[0].type)  # type: ignore[union-attr]
    assert isinstance(relation, Relation) and keys is not None
    truth = truth_of(relation, keys)
    cares = met.seen
    if chosen:
        cares = met.later | (met.seen & (truth & met.later).any(axis=1, keepdims=True))
    found = False
    if chosen and is_indices(node.operands[0]) and not (truth & met.later).any():
        yield Rule(Comparison(BinaryOp.EQUAL), queries=Literal(0))  # says where nothing leads to
    for rule in candidates(relation.queries, keys):
        held = holds(rule, relation.queries, keys)
        if held is not None and not (cares & (held != truth)).any():
            found = True
            yield rule
    if not found:
        yield from _conjunctions(truth, cares, relation.queries, keys)


def _conjunctions(truth: Bools, cares: Bools, queries: Domain, keys: Domain) -> Iterator[Rule]:
    """Operands compared, where besides one of them compares with a constant."""
    wanted, unwanted = cares & truth, cares & ~truth
    constants = [(r, holds(r, queries, keys)) for r in _with_constants(queries, keys)]
    filters = [(r, held) for r, held in constants if held is not None and held[wanted].all()]
    for op in OPERATORS:
        rule = Rule(Comparison(op))
        held = holds(rule, queries, keys)
        if held is not None and held[wanted].all():
            left = unwanted & held
            for besides, passed in filters:
                if not passed[left].any():
                    yield replace(rule, besides=besides)


def truth_of(relation: Relation, keys: Domain) -> Bools:
    """A relation as an array [query value, key value]."""
    place = {value_key(v): k for k, v in enumerate(keys)}
    truth = np.zeros((len(relation.rows), len(keys)), dtype=np.bool_)
    for query, row in enumerate(relation.rows):
        truth[query, [place[value_key(v)] for v in row if value_key(v) in place]] = True
    return truth


def candidates(queries: Domain, keys: Domain) -> Iterator[Rule]:
    """Rules that could be meant, the simplest first."""
    yield Rule(Always(False))
    yield Rule(Always(True))
    for op in OPERATORS:
        yield Rule(Comparison(op))
    yield from _with_constants(queries, keys)
    if _all_int(queries) and _all_int(keys):
        for moved in _moved(queries, keys):
            for op in OPERATORS:
                yield Rule(Comparison(op), queries=moved)


def _with_constants(queries: Domain, keys: Domain) -> Iterator[Rule]:
    for op in sorted(OPERATORS, key=lambda op: op in ORDERINGS):
        for value in keys:
            yield Rule(Comparison(op), queries=Literal(value))
        for value in queries:
            yield Rule(Comparison(op), keys=Literal(value))


def _all_int(domain: Domain) -> bool:
    return all(type(v) is int for v in domain)


def _moved(queries: Domain, keys: Domain) -> Iterator[Expression]:
    """A query plus or minus a constant, and constants minus it, that can be among the keys."""
    low_query, high_query = min(map(int, queries)), max(map(int, queries))
    low_key, high_key = min(map(int, keys)), max(map(int, keys))
    for k in range(max(1, low_key - high_query), high_key - low_query + 1):
        yield Binary(BinaryOp.ADD, Argument(0), Literal(k))
    for k in range(max(1, low_query - high_key), high_query - low_key + 1):
        yield Binary(BinaryOp.SUBTRACT, Argument(0), Literal(k))
    for k in range(low_key + low_query, high_key + high_query + 1):
        yield Binary(BinaryOp.SUBTRACT, Literal(k), Argument(0))


def holds(rule: Rule, queries: Domain, keys: Domain) -> Bools | None:
    """Where a rule selects, [query value, key value]; None where it compares words with numbers."""
    if isinstance(rule.predicate, Always):
        return np.full((len(queries), len(keys)), rule.predicate.truth)
    assert isinstance(rule.predicate, Comparison)
    op = rule.predicate.op
    left = [evaluate(rule.keys, (k,)) for k in keys]
    right = [evaluate(rule.queries, (q,)) for q in queries]
    if op in ORDERINGS and len({is_number(v) for v in (*left, *right)}) > 1:
        return None
    return _compared(op, left, right)


def _compared(op: BinaryOp, keys: Sequence[Value], queries: Sequence[Value]) -> Bools:
    ranks = {v: r for r, v in enumerate(_sorted({*keys, *queries}))}
    left, right = ([ranks[v] for v in side] for side in (keys, queries))
    table = np.array([[bool(apply_binary(op, k, q)) for k in (0, 1, 2)] for q in (0, 1, 2)])
    order = np.sign(np.array(left)[None, :] - np.array(right)[:, None]) + 1
    return np.asarray(table[1][order])


def _sorted(values: set[Value]) -> list[Value]:
    """Numbers, then words, each in their order. Numbers that are equal are one."""
    return [
        *sorted(v for v in values if not isinstance(v, str)),
        *sorted(v for v in values if isinstance(v, str)),
    ]
