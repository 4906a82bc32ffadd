"""``classify`` on circuits: all combinations of few features, else sums that are exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from tpir.equiv.smt.circuit import FALSE, TRUE, Circuit, Literal
from tpir.equiv.smt.summaries import Plan, Summary, Unsupported, gathered
from tpir.equiv.smt.words import Word, chosen_word, known, less, summed
from tpir.ir.exact_sums import sums_are_exact
from tpir.ir.functions import FeatureWeights, TableWeights, codes_of
from tpir.ir.ops import Classify, ClassifyPooled, Readout
from tpir.ir.program import Node
from tpir.ir.values import Value, value_key

MAX_CASES = 2**17
"""So many combinations of feature values are tabulated; beyond, sums must be exact."""


def contribution(weights: FeatureWeights, value: Value) -> tuple[float, ...]:
    """What a feature of this value adds to each label, as the readout computes it."""
    if isinstance(weights, TableWeights):
        return weights.rows[codes_of(weights.domain)[value_key(value)]]
    assert not isinstance(value, str)
    return tuple(float(value) * w for w in weights.row)


def classified(circuit: Circuit, node: Node, features: Sequence[Summary]) -> Summary:
    """The label at one position."""
    op = node.op
    assert isinstance(op, Classify)
    if math.prod(len(f.values) for f in features) <= MAX_CASES:
        return _case_by_case(circuit, op, features)
    types = [operand.type for operand in node.operands]
    if sums_are_exact(op, types, 1):
        return _exactly(circuit, op, [features])
    raise Unsupported(f"{node.name} adds numbers that round, of too many combinations")


def pooled(circuit: Circuit, node: Node, features: Sequence[Sequence[Summary]]) -> Summary:
    """The label of the input: ``features`` of each position that is added."""
    op = node.op
    assert isinstance(op, ClassifyPooled)
    if len(features) == 1 and math.prod(len(f.values) for f in features[0]) <= MAX_CASES:
        return _case_by_case(circuit, op, features[0])
    types = [operand.type for operand in node.operands]
    if sums_are_exact(op, types, len(features)):
        return _exactly(circuit, op, features)
    raise Unsupported(f"{node.name} adds numbers that round")


def _exactly(circuit: Circuit, op: Readout, places: Sequence[Sequence[Summary]]) -> Summary:
    """All weights times a power of two are whole; what is least of a feature goes to the bias."""
    rows = [
        [
            [contribution(w, v) for v in summary.values]
            for w, summary in zip(op.weights, features, strict=True)
        ]
        for features in places
    ]
    every = [w for features in rows for table in features for row in table for w in row]
    scale = max((Fraction(w).denominator for w in (*op.bias, *every)), default=1)
    totals: list[Word] = []
    offsets = []
    for label in range(len(op.labels)):
        offset = int(op.bias[label] * Fraction(scale)) * len(places)
        words = []
        for features, tables in zip(places, rows, strict=True):
            for summary, table in zip(features, tables, strict=True):
                numbers = [int(row[label] * Fraction(scale)) for row in table]
                least = min(numbers, default=0)
                offset += least
                cases = [(n - least, x) for n, x in zip(numbers, summary.literals, strict=True)]
                words.append(chosen_word(circuit, cases))
        offsets.append(offset)
        totals.append(summed(circuit, words))
    lowest = min(offsets)
    logits = [
        summed(circuit, [total, known(offset - lowest)])
        for total, offset in zip(totals, offsets, strict=True)
    ]
    whole = all(f.total for features in places for f in features)
    return gathered(circuit, zip(op.labels, _first_best(circuit, logits), strict=True), total=whole)


def _first_best(circuit: Circuit, logits: Sequence[Word]) -> list[Literal]:
    """For each label whether it is the first one with the highest logit."""
    best, winner = logits[0], [TRUE]
    for logit in logits[1:]:
        better = less(circuit, best, logit)
        winner = [*(circuit.both(x, better ^ 1) for x in winner), better]
        longest = max(len(best), len(logit))
        padded = [[*word, *[FALSE] * (longest - len(word))] for word in (logit, best)]
        best = [circuit.choice(better, a, b) for a, b in zip(*padded, strict=True)]
    return winner


def _case_by_case(circuit: Circuit, op: Readout, features: Sequence[Summary]) -> Summary:
    """Every combination of feature values, its logits added as the interpreter adds them."""
    shape = tuple(len(f.values) for f in features)
    best = np.full(shape, -np.inf)
    codes = np.zeros(shape, dtype=np.int64)
    tables = [
        np.array([contribution(w, v) for v in f.values]).reshape(len(f.values), len(op.labels))
        for w, f in zip(op.weights, features, strict=True)
    ]
    for label, bias in enumerate(op.bias):
        logit = np.full(shape, bias, dtype=np.float64)
        for axis, table in enumerate(tables):
            across = [1] * len(shape)
            across[axis] = shape[axis]
            logit = logit + table[:, label].reshape(across)
        better = logit > best if label else np.ones(shape, dtype=np.bool_)
        codes[better] = label
        best = np.where(better, logit, best)
    found = Plan.of(codes).apply(circuit, features)
    cases = ((op.labels[code], literal) for code, literal in found.items())
    return gathered(circuit, cases, total=all(f.total for f in features))
