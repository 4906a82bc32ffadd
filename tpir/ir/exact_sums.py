"""When the float64 sums of a readout round nowhere, so that their order does not matter.

A readout's logits are sums in a stated order, and float64 addition rounds: without more knowledge
no term may be moved, merged or left out. But if every term is a multiple of 2^-k, and no partial
sum reaches 2^(53-k), every partial sum is a float64 and nothing is rounded. Trained weights are
float32 of similar size and practically always satisfy this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import FeatureWeights, TableWeights
from tpir.ir.ops import ClassifyPooled, Pool, Readout
from tpir.ir.types import Type, is_integral, number_bounds

Floats = NDArray[np.float64]
SPARE_BITS = 2
"""Room for the differences of two logits, and for one merged term more."""


def sums_are_exact(op: Readout, types: Sequence[Type], context: int) -> bool:
    """Whether all sums of a readout over operands of these types are exact, in any order.

    False where a feature is Real: its numbers are not known. Pooled readouts add up to ``context``
    positions.
    """
    terms: list[Floats] = [np.array(op.bias, dtype=np.float64)[None]]
    largest = np.abs(terms[0][0])
    for weights, found in zip(op.weights, types, strict=True):
        if not isinstance(weights, TableWeights) and not is_integral(found):
            return False
        terms.append(rows_of_feature(weights))
        largest = largest + np.abs(extremes(weights, found)).max(axis=0)
    positions = context if isinstance(op, ClassifyPooled) and op.over is Pool.ALL else 1
    lowest = min((_lowest_bit(t) for t in terms), default=0)
    bound = float(largest.max()) * positions * 1.001
    return bound < 2.0 ** min(1000, 53 - SPARE_BITS + lowest)


def rows_of_feature(weights: FeatureWeights) -> Floats:
    """The weights as an array (row, label)."""
    rows = weights.rows if isinstance(weights, TableWeights) else (weights.row,)
    return np.array(rows, dtype=np.float64)


def extremes(weights: FeatureWeights, found: Type) -> Floats:
    """Contributions (case, label) between which all contributions of the feature lie."""
    rows = rows_of_feature(weights)
    if isinstance(weights, TableWeights):
        return rows
    bounds = number_bounds(found)
    assert bounds is not None
    return np.concatenate([rows * bounds[0], rows * bounds[1]])


def _lowest_bit(numbers: Floats) -> int:
    """The largest e with all numbers multiples of 2^e; large if they are all zero."""
    mantissa, exponent = np.frexp(numbers[numbers != 0])
    whole = (mantissa * 2.0**53).astype(np.int64)
    trailing = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    bits = exponent - 53 + trailing
    return int(bits.min()) if len(bits) else 1000
