"""The readout: logits summed over features, then the first label with the highest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import FeatureWeights, TableWeights
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
    indices = [_index(w, f) for w, f in zip(op.weights, features, strict=True)]
    logits = []
    for label, bias in enumerate(op.bias):
        total = np.full((length, batch), bias, dtype=np.float64)
        for weights, index in zip(op.weights, indices, strict=True):
            if isinstance(weights, TableWeights):
                column = np.array([row[label] for row in weights.rows], dtype=np.float64)
                total += column[index]
            else:
                total += index * weights.row[label]
        logits.append(total)
    return logits


def _index(weights: FeatureWeights, feature: Column) -> NDArray[np.intp] | NDArray[np.float64]:
    if isinstance(weights, TableWeights):
        return feature.data.astype(np.intp)
    return numbers(feature).astype(np.float64)


def _argmax(logits: list[NDArray[np.float64]]) -> NDArray[np.generic]:
    best = logits[0]
    codes = np.zeros(best.shape, dtype=code_dtype(len(logits)))
    for label in range(1, len(logits)):
        better = logits[label] > best
        codes[better] = label
        best = np.where(better, logits[label], best)  # what is not a number never wins
    return codes
