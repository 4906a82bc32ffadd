"""The meaning of programs a second time, as plain as it can be said: the interpreter's oracle."""

from __future__ import annotations

import itertools
import math

from tpir.ir.expressions import (
    MEAN_OF_WORDS,
    MIXED_TYPES,
    NOT_A_NUMBER,
    Failure,
    apply_binary,
    evaluate,
)
from tpir.ir.functions import ReluFunction, Table, TableWeights
from tpir.ir.infer import has_means, lacks_default
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Indices,
    Map,
    Not,
    Or,
    Otherwise,
    Pool,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Integer, Pooled
from tpir.ir.values import Value, same_value
from tpir.semantics.interpreter import Outcome


def run_plain(program: Program, tokens: tuple[Value, ...]) -> Outcome:
    held: dict[Node, list] = {}
    try:
        for node in program.live:
            held[node] = _step(program, node, [held[o] for o in node.operands], tokens)
    except Failure as failure:
        return Outcome(None, failure.kind)
    return Outcome({name: tuple(held[node]) for name, node in program.outputs.items()}, None)


def _universe(program: Program, i: int, n: int) -> list[int]:
    return [j for j in range(n) if j <= i or not program.causal]


def _step(program: Program, node: Node, operands: list[list], tokens: tuple[Value, ...]) -> list:
    n, op = len(tokens), node.op
    if isinstance(op, Tokens):
        return list(tokens)
    if isinstance(op, Indices):
        return list(range(n))
    if isinstance(op, Map):
        return [_apply(op.function, tuple(o[i] for o in operands)) for i in range(n)]
    if isinstance(op, Select):
        keys, queries = operands
        return [
            [j for j in _universe(program, i, n) if _matches(op.predicate, keys[j], queries[i])]
            for i in range(n)
        ]
    if isinstance(op, And):
        return [[j for j in a if j in b] for a, b in zip(*operands, strict=True)]
    if isinstance(op, Or):
        return [sorted({*a, *b}) for a, b in zip(*operands, strict=True)]
    if isinstance(op, Not):
        return [[j for j in _universe(program, i, n) if j not in operands[0][i]] for i in range(n)]
    if isinstance(op, Choose):
        return [_choose(op, i, operands) for i in range(n)]
    if isinstance(op, Aggregate):
        means = has_means(node.operands[1].type, node.type)
        if lacks_default(node.type, op.default) and [] in operands[0]:
            raise Failure(MIXED_TYPES)
        return [_mean([operands[1][j] for j in row], op.default, means) for row in operands[0]]
    if isinstance(op, Uniform):
        if len({isinstance(value, str) for value in operands[0]}) > 1:
            raise Failure(MIXED_TYPES)
        return operands[0]
    if isinstance(op, AggregateSum):
        whole = isinstance(node.type, Integer)
        return [_sum([operands[1][j] for j in row], whole) for row in operands[0]]
    if isinstance(op, SelectorWidth):
        return [len(row) for row in operands[0]]
    assert isinstance(op, Classify | ClassifyPooled)
    rows = [_logits(op, [o[i] for o in operands]) for i in range(n)]
    if isinstance(node.type, Pooled):
        kept = rows[:1] if op.over is Pool.FIRST else rows
        rows = [
            list(
                itertools.accumulate(kept, lambda a, b: [x + y for x, y in zip(a, b, strict=True)])
            )[-1]
        ]
    return [op.labels[max(range(len(row)), key=lambda k: (row[k], -k))] for row in rows]


def _apply(function, row: tuple[Value, ...]) -> Value:
    if isinstance(function, Table):
        return function(*row)
    if isinstance(function, ReluFunction):
        logits = list(function.c)
        for h, bias in enumerate(function.b):
            total = bias
            for v, x in zip(function.v[h], row, strict=True):
                total += v * x
            for label in range(len(logits)):
                logits[label] += function.w[label][h] * max(total, 0.0)
        return max(range(len(logits)), key=lambda k: (logits[k], -k))
    return evaluate(function, row)


def _matches(predicate, key: Value, query: Value) -> bool:
    if isinstance(predicate, Always):
        return predicate.truth
    if isinstance(predicate, Comparison):
        return bool(apply_binary(predicate.op, key, query))
    return predicate.matches(query, key)


def _choose(op: Choose, i: int, operands: list[list]) -> list[int]:
    selected = operands[0][i]
    if not selected:
        return [0] if op.otherwise is Otherwise.FIRST else []

    def preference(j: int) -> tuple:
        if op.order is Preference.CLOSEST:
            return (j == i, abs(j - i), j)
        if op.order is Preference.FIRST:
            return (j,)
        if op.order is Preference.LAST:
            return (-j,)
        listed = list(op.order)
        return (listed.index(j - i), 0) if j - i in listed else (len(listed), j)

    def score(j: int) -> float:
        if op.score is None:
            return 0.0
        row = next(k for k, v in enumerate(op.score.queries) if same_value(v, operands[2][i]))
        column = next(k for k, v in enumerate(op.score.keys) if same_value(v, operands[1][j]))
        return -op.score.rows[row][column]

    return [min(selected, key=lambda j: (score(j), preference(j)))]


def _mean(values: list[Value], default: Value | None, means: bool) -> Value:
    if not values:
        return default
    if len(values) == 1:
        return values[0]
    if not means:
        raise Failure(MEAN_OF_WORDS)
    whole = all(isinstance(v, int) for v in values)
    return _sum(values, whole) / len(values)


def _sum(values: list[Value], whole: bool) -> Value:
    total = 0 if whole else 0.0
    for v in values:
        total += v
    if not math.isfinite(total):
        raise Failure(NOT_A_NUMBER)
    return total


def _logits(op: Classify | ClassifyPooled, row: list[Value]) -> list[float]:
    logits = list(op.bias)
    for weights, x in zip(op.weights, row, strict=True):
        if isinstance(weights, TableWeights):
            added = weights.rows[next(k for k, v in enumerate(weights.domain) if same_value(v, x))]
        else:
            added = [float(x) * w for w in weights.row]
        logits = [a + b for a, b in zip(logits, added, strict=True)]
    return logits
