"""Fitting the finite functions inside an op to operands whose types have become narrower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import TypeVar

from tpir.errors import TpirError
from tpir.ir.functions import (
    Domain,
    FeatureWeights,
    Relation,
    ScoreTable,
    Table,
    TableWeights,
    codes_of,
)
from tpir.ir.ops import Choose, Classify, ClassifyPooled, Map, Op, Select
from tpir.ir.types import Type, values_of
from tpir.ir.values import same_value, show_value, value_key

Row = TypeVar("Row")


def adapt(op: Op, types: Sequence[Type]) -> Op:
    """The op with tables, relations, scores and readout rows restricted to the operands' values.

    Returns ``op`` itself where nothing changes. Raises TpirError if a value has no row.
    """
    match op:
        case Map(Table() as table):
            domains = tuple(_domain(t, d) for t, d in zip(types, table.domains, strict=True))
            if all(a is b for a, b in zip(domains, table.domains, strict=True)):
                return op
            return Map(restrict_table(table, domains))
        case Select(Relation() as relation):
            queries = _domain(types[1], relation.queries)
            if queries is relation.queries:
                return op
            rows = pick(relation.queries, relation.rows, queries)
            return Select(Relation(queries, rows))
        case Choose(score=ScoreTable() as score):
            keys, queries = _domain(types[1], score.keys), _domain(types[2], score.queries)
            if keys is score.keys and queries is score.queries:
                return op
            scores = pick(score.queries, score.rows, queries)
            columns = tuple(pick(score.keys, row, keys) for row in scores)
            return replace(op, score=ScoreTable(queries, keys, columns))
        case Classify() | ClassifyPooled():
            weights = tuple(_adapt_weights(w, t) for w, t in zip(op.weights, types, strict=True))
            unchanged = all(a is b for a, b in zip(weights, op.weights, strict=True))
            return op if unchanged else replace(op, weights=weights)
    return op


def restrict_table(table: Table, domains: tuple[Domain, ...]) -> Table:
    """The same function over other domains, each value of which must be in the old one."""
    for old, new in zip(table.domains, domains, strict=True):
        pick(old, old, new)
    return Table(domains, tuple(table(*row) for row in product(*domains)))


def pick(domain: Domain, rows: Sequence[Row], wanted: Domain) -> tuple[Row, ...]:
    """The rows of the wanted values. Raises TpirError if one is not in the domain."""
    codes = codes_of(domain)
    missing = [v for v in wanted if value_key(v) not in codes]
    if missing:
        raise TpirError(f"no row for the value {show_value(missing[0])}")
    return tuple(rows[codes[value_key(v)]] for v in wanted)


def _adapt_weights(weights: FeatureWeights, found: Type) -> FeatureWeights:
    if not isinstance(weights, TableWeights):
        return weights
    domain = _domain(found, weights.domain)
    if domain is weights.domain:
        return weights
    return TableWeights(domain, pick(weights.domain, weights.rows, domain))


def _domain(found: Type, current: Domain) -> Domain:
    """The values of a type; ``current`` itself where they are the same, typed and in order."""
    values = values_of(found)
    if values is None or (len(values) == len(current) and all(map(same_value, values, current))):
        return current
    return values
