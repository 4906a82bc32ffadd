"""The linear readout as ``classify``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.functions import FeatureWeights, NumberWeights, TableWeights
from tpir.ir.ops import Classify, ClassifyPooled, Pool
from tpir.ir.program import Node, Origin
from tpir.lower.embeddings import is_one
from tpir.lower.tensors import Floats, Tensors
from tpir.lower.variables import Stream, domain_of, is_exact_sum
from tpir.models.config import TransformerProgramConfig


def read_out(
    builder: Builder, config: TransformerProgramConfig, tensors: Tensors, stream: Stream
) -> Node:
    """The label at each position, or the one label of a pooled model.

    Features are the variables whose weights are not all zero. A node that several variables hold is
    read once, with the sum of their weights, if that sum is exact in float64; else it stays as many
    features. What is read of the constant 1 is the bias, under the same condition.
    """
    labels, features = _weights(config, tensors, stream)
    bias = np.zeros(len(labels))
    merged: dict[tuple[Node, int], Floats] = {}
    for node, weights in features:
        if is_one(node) and is_exact_sum(bias, weights[0]):
            bias = bias + weights[0]
            continue
        copy = 0
        while (node, copy) in merged and not is_exact_sum(merged[node, copy], weights):
            copy += 1
        merged[node, copy] = merged[node, copy] + weights if (node, copy) in merged else weights
    kept = [(node, weights) for (node, _), weights in merged.items() if weights.any()]
    numbers = {id(node) for node in stream.numerical}
    described: tuple[FeatureWeights, ...] = tuple(
        NumberWeights(tuple(weights[0].tolist()))
        if id(node) in numbers
        else TableWeights(domain_of(node), tuple(map(tuple, weights.tolist())))
        for node, weights in kept
    )
    constants = tuple(bias.tolist())
    op: Classify | ClassifyPooled = Classify(labels, constants, described)
    if config.pooled:
        over = Pool.FIRST if config.causal else Pool.ALL
        op = ClassifyPooled(labels, constants, described, over)
    return builder.add(op, [node for node, _ in kept], name="labels", origin=Origin(part="unembed"))


def _weights(
    config: TransformerProgramConfig, tensors: Tensors, stream: Stream
) -> tuple[tuple[str, ...], list[tuple[Node, Floats]]]:
    """The labels that are not masked, and for each variable its weights [value, label]."""
    width, n_labels = config.d_var, len(config.labels)
    n_values = len(stream.categorical) * width
    table = tensors.read("unembed.W_U", n_values + len(stream.numerical), n_labels)
    shown = np.ones(n_labels, dtype=bool)
    if "unembed.mask" in tensors:
        shown = tensors.read("unembed.mask", 1, 1, n_labels).ravel() == 0
    if not shown.any():
        raise TpirError("tensor unembed.mask masks every label, so none could be predicted")
    table = table[:, shown]
    features: list[tuple[Node, Floats]] = []
    for k, variable in enumerate(stream.categorical):
        block = table[k * width : (k + 1) * width]
        features.append((variable.node, block[variable.places]))
    for node, row in zip(stream.numerical, table[n_values:], strict=True):
        features.append((node, row[None, :]))
    return _shown(config.labels, shown.tolist()), features


def _shown(labels: Sequence[str], shown: Sequence[bool]) -> tuple[str, ...]:
    return tuple(label for label, keep in zip(labels, shown, strict=True) if keep)
