"""An op taken apart into named rows and options, each in words, so that two can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from itertools import product

from tpir.ir.expressions import Expression
from tpir.ir.functions import Relation, ReluFunction, Table, TableWeights
from tpir.ir.ops import (
    Aggregate,
    Always,
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Map,
    Op,
    Preference,
    Readout,
    Select,
)
from tpir.ir.values import Value, show_value
from tpir.view.words import expression_text, values_text


def parts_of(op: Op, names: Sequence[str], *, only: Set[str]) -> dict[str, str]:
    """Each row or option of an op by what it is for; ``names`` are those of its operands.

    Of a readout's features those named in ``only`` are taken.
    """
    match op:
        case Map(function):
            return dict(_map_parts(function, names))
        case Select(Comparison(operator)):
            return {"predicate": operator.value}
        case Select(Always(truth)):
            return {"predicate": "always" if truth else "never"}
        case Select(Relation() as relation):
            rows = zip(relation.queries, relation.rows, strict=True)
            return {f"query {show_value(q)}": values_text(row) or "none" for q, row in rows}
        case Choose():
            return dict(_choose_parts(op))
        case Aggregate(default) if default is not None:
            return {"default": show_value(default)}
        case Classify() | ClassifyPooled():
            return dict(_readout_parts(op, names, only))
    return {}


def _map_parts(
    function: Table | Expression | ReluFunction, names: Sequence[str]
) -> Iterator[tuple[str, str]]:
    if isinstance(function, Table):
        for row, result in zip(product(*function.domains), function.results, strict=True):
            yield f"row {_row(row)}".rstrip(), show_value(result)
    elif isinstance(function, ReluFunction):
        for k, (weights, bias) in enumerate(zip(function.v, function.b, strict=True)):
            yield f"hidden {k}", f"{' '.join(map(repr, weights))}, bias {bias!r}"
        for k, (weights, bias) in enumerate(zip(function.w, function.c, strict=True)):
            yield f"result {k}", f"{' '.join(map(repr, weights))}, bias {bias!r}"
    else:
        yield "expression", expression_text(function, names)


def _row(values: Sequence[Value]) -> str:
    return ", ".join(map(show_value, values))


def _choose_parts(op: Choose) -> Iterator[tuple[str, str]]:
    yield "order", op.order.value if isinstance(op.order, Preference) else str(list(op.order))
    yield "otherwise", op.otherwise.value
    if op.score is not None:
        for query, row in zip(op.score.queries, op.score.rows, strict=True):
            for key, score in zip(op.score.keys, row, strict=True):
                yield f"score of query {show_value(query)}, key {show_value(key)}", repr(score)


def _readout_parts(op: Readout, names: Sequence[str], only: Set[str]) -> Iterator[tuple[str, str]]:
    labels = list(map(show_value, op.labels))
    yield "labels", ", ".join(labels)
    if isinstance(op, ClassifyPooled):
        yield "pooled over", op.over.value
    for label, bias in zip(labels, op.bias, strict=True):
        yield f"bias of label {label}", repr(bias)
    for name, weights in zip(names, op.weights, strict=True):
        if name not in only:
            continue
        if isinstance(weights, TableWeights):
            for value, row in zip(weights.domain, weights.rows, strict=True):
                yield from _label_weights(f"{name} = {show_value(value)}", labels, row)
        else:
            yield from _label_weights(f"{name} as a number", labels, weights.row)


def _label_weights(
    feature: str, labels: Sequence[str], row: Sequence[float]
) -> Iterator[tuple[str, str]]:
    for label, weight in zip(labels, row, strict=True):
        yield f"{feature}, label {label}", repr(weight)
