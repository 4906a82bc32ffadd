"""Finite functions over what the types of new operands list."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from tpir.ir.functions import (
    Domain,
    FeatureWeights,
    NumberWeights,
    Relation,
    ScoreTable,
    Table,
    TableWeights,
)
from tpir.ir.ops import (
    Choose,
    Classify,
    ClassifyPooled,
    Map,
    Op,
    Select,
)
from tpir.ir.program import Node
from tpir.ir.types import Bool, Real, type_of_values, values_of
from tpir.ir.values import Value, value_key


def fitted(op: Op, operands: tuple[Node, ...]) -> Op:
    """The op over what its operands' types list now: in another order, or more than can be.

    What is listed only because types are wide gets the value of the first row.
    """
    types = [values_of(operand.type) for operand in operands]
    match op:
        case Map(Table(domains) as table) if domains:
            if any(t is None for t in types):
                return op
            known = [{value_key(v): v for v in domain} for domain in domains]
            wide = tuple(t for t in types if t is not None)
            rows = product(*wide)

            def at(row: tuple[Value, ...]) -> Value:
                kept = [
                    k.get(value_key(v), d[0]) for k, v, d in zip(known, row, domains, strict=True)
                ]
                return table(*kept)

            return Map(Table(wide, tuple(map(at, rows))))
        case Select(Relation(queries, rows)):
            wide_queries = types[1] or queries
            by_query = dict(zip(map(value_key, queries), rows, strict=True))
            new = tuple(by_query.get(value_key(q), ()) for q in wide_queries)
            return Select(Relation(wide_queries, new))
        case Classify(weights=weights) | ClassifyPooled(weights=weights):
            new_weights = tuple(_fitted_weights(w, t) for w, t in zip(weights, types, strict=True))
            return replace(op, weights=new_weights)
        case Choose(score=ScoreTable(queries, keys, rows)):
            new_keys, new_queries = types[1] or keys, types[2] or queries
            by_pair = {
                (value_key(q), value_key(k)): x
                for q, row in zip(queries, rows, strict=True)
                for k, x in zip(keys, row, strict=True)
            }
            matrix = tuple(
                tuple(by_pair.get((value_key(q), value_key(k)), 0.0) for k in new_keys)
                for q in new_queries
            )
            return replace(op, score=ScoreTable(new_queries, new_keys, matrix))
    return op


def keeps_kind(node: Node, results: tuple[Value, ...]) -> bool:
    """Whether a table of these results can stand for a node: truth values alone have no mean."""
    made = type_of_values(results)
    return all(isinstance(made, kind) == isinstance(node.type, kind) for kind in (Real, Bool))


def _fitted_weights(weights: FeatureWeights, values: Domain | None) -> FeatureWeights:
    if values is None or isinstance(weights, NumberWeights):
        return weights
    by_value = dict(zip(map(value_key, weights.domain), weights.rows, strict=True))
    return TableWeights(values, tuple(by_value.get(value_key(v), weights.rows[0]) for v in values))
