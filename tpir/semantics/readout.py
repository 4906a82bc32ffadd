"""The readout: logits summed over features, then the first label with the highest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import TableWeights
from tpir.ir.ops import Classify, ClassifyPooled, Pool
from tpir.ir.program import Node
from tpir.semantics.columns import Column, code_dtype, numbers


def readout(node: Node, features: list[Column], length: int) -> Column:
    """The labels of a ``classify`` or ``classify_pooled`` node."""
    op = node.op
    assert isinstance(op, Classify | ClassifyPooled)
    logits = label_logits(op, features, length)
    if isinstance(op, ClassifyPooled):
        # Positions are added from left to right: see aggregates.
        pooled = [x[:1] if op.over is Pool.FIRST else x.cumsum(axis=0)[-1:] for x in logits]
        return Column(node.type, _argmax(pooled))
    return Column(node.type, _argmax(logits))


def label_logits(
    op: Classify | ClassifyPooled, features: list[Column], length: int
) -> list[NDArray[np.float64]]:
    """For each label an array (position, batch): bias, then the features in operand order."""
    batch = max((f.data.shape[1] for f in features), default=1)
    logits = [np.full((length, batch), bias, dtype=np.float64) for bias in op.bias]
    for weights, feature in zip(op.weights, features, strict=True):
        if isinstance(weights, TableWeights):
            index = feature.data.astype(np.intp)
            columns = np.ascontiguousarray(np.array(weights.rows, dtype=np.float64).T)
            for total, column in zip(logits, columns, strict=True):
                total += column.take(index)
        else:
            factors = numbers(feature).astype(np.float64)
            for total, weight in zip(logits, weights.row, strict=True):
                total += factors * weight
    return logits


def _argmax(logits: list[NDArray[np.float64]]) -> NDArray[np.generic]:
    best = logits[0]
    codes = np.zeros(best.shape, dtype=code_dtype(len(logits)))
    for label in range(1, len(logits)):
        better = logits[label] > best
        codes[better] = label
        best = np.where(better, logits[label], best)  # what is not a number never wins
    return codes
