"""The finite functions inside ops, made ready for summaries of their operands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.smt.summaries import Plan, Summary, Unsupported, exact_key
from tpir.ir.expressions import Expression, Failure, apply_binary, evaluate
from tpir.ir.functions import Relation, ReluFunction, ScoreTable, Table, codes_of
from tpir.ir.ops import Always, Comparison, Map, Predicate, Select
from tpir.ir.program import Node
from tpir.ir.values import Key, Value, value_key
from tpir.semantics.maps import ReluKernel

MAX_ROWS = 2**17
"""Functions of more rows than this are not written out."""

FAILED = -1
"""The code of a row on which a function fails."""

Named = tuple[Node, tuple[tuple[Key, ...], ...]]


class Plans:
    """The functions of nodes over given values of their operands, each made ready once."""

    def __init__(self) -> None:
        self._maps: dict[Named, tuple[list[Value], Plan]] = {}
        self._plans: dict[Named, Plan] = {}

    def of_map(self, node: Node, operands: Sequence[Summary]) -> tuple[list[Value], Plan]:
        """The results of a map, and a plan whose codes count them; ``FAILED`` where it fails."""
        name = (node, tuple(operand.keys for operand in operands))
        found = self._maps.get(name)
        if found is None:
            assert isinstance(node.op, Map)
            results, codes = _results(node, [operand.values for operand in operands])
            found = self._maps[name] = (results, Plan.of(codes))
        return found

    def of_predicate(self, node: Node, key: Summary, query: Summary) -> Plan:
        """Of a key and a query: 1 where they match, ``FAILED`` where that cannot be said."""
        name = (node, (key.keys, query.keys))
        found = self._plans.get(name)
        if found is None:
            assert isinstance(node.op, Select)
            rows = [[_matches(node.op.predicate, k, q) for q in query.values] for k in key.values]
            shape = (len(key.values), len(query.values))
            found = self._plans[name] = Plan.of(np.array(rows, dtype=np.int64).reshape(shape))
        return found

    def of_pair(self, node: Node, both: Summary) -> Plan:
        """The same where key and query are one element."""
        name = (node, (both.keys,))
        found = self._plans.get(name)
        if found is None:
            assert isinstance(node.op, Select)
            row = [_matches(node.op.predicate, v, v) for v in both.values]
            found = self._plans[name] = Plan.of(np.array(row, dtype=np.int64))
        return found

    def of_score(self, node: Node, score: ScoreTable, key: Summary, query: Summary) -> Plan:
        """Of a query and a key: the rank of their score, the best 0."""
        name = (node, (query.keys, key.keys))
        found = self._plans.get(name)
        if found is None:
            table = np.array(score.rows, dtype=np.float64)
            _, ranks = np.unique(-table, return_inverse=True)
            ranks = ranks.reshape(table.shape)
            rows = [codes_of(score.queries)[value_key(v)] for v in query.values]
            columns = [codes_of(score.keys)[value_key(v)] for v in key.values]
            found = self._plans[name] = Plan.of(ranks[np.ix_(rows, columns)])
        return found


def _matches(predicate: Predicate, key: Value, query: Value) -> int:
    match predicate:
        case Always(truth):
            return int(truth)
        case Comparison(op):
            try:
                return int(bool(apply_binary(op, key, query)))
            except Failure:
                return FAILED
        case Relation():
            return int(predicate.matches(query, key))
    raise AssertionError(predicate)


def _results(
    node: Node, operands: list[tuple[Value, ...]]
) -> tuple[list[Value], NDArray[np.int64]]:
    """The distinct results of a map, and an array of which one each row has."""
    shape = tuple(map(len, operands))
    if math.prod(shape) > MAX_ROWS:
        raise Unsupported(f"{node.name} is a function of {math.prod(shape):,} rows")
    assert isinstance(node.op, Map)
    match node.op.function:
        case Table() as table:
            return _of_table(table, operands)
        case ReluFunction() as function:
            rows = np.array(list(product(*operands)), dtype=np.float64).reshape(-1, len(operands))
            columns = [np.ascontiguousarray(column) for column in rows.T]
            labels = ReluKernel(function, node.type).argmax(columns)
            return list(range(len(function.c))), labels.astype(np.int64).reshape(shape)
        case expression:
            return _of_expression(expression, operands, shape)


def _of_table(
    table: Table, operands: list[tuple[Value, ...]]
) -> tuple[list[Value], NDArray[np.int64]]:
    results = _Numbering()
    codes = np.array([results.of(v) for v in table.results], dtype=np.int64)
    codes = codes.reshape([len(domain) for domain in table.domains])
    places = [
        [codes_of(domain)[value_key(v)] for v in values]
        for domain, values in zip(table.domains, operands, strict=True)
    ]
    return results.values, codes[np.ix_(*places)] if places else codes


def _of_expression(
    expression: Expression, operands: list[tuple[Value, ...]], shape: tuple[int, ...]
) -> tuple[list[Value], NDArray[np.int64]]:
    results = _Numbering()
    codes = []
    for row in product(*operands):
        try:
            codes.append(results.of(evaluate(expression, row)))
        except Failure:
            codes.append(FAILED)
    return results.values, np.array(codes, dtype=np.int64).reshape(shape)


class _Numbering:
    """Values numbered as they come."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._known: dict[Key, int] = {}

    def of(self, value: Value) -> int:
        key = exact_key(value)
        if key not in self._known:
            self._known[key] = len(self.values)
            self.values.append(value)
        return self._known[key]
