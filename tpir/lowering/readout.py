"""The linear readout as ``classify``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.exact_sums import sums_are_exact
from tpir.ir.functions import FeatureWeights, NumberWeights, TableWeights
from tpir.ir.ops import Classify, ClassifyPooled, Pool
from tpir.ir.program import Node, Origin
from tpir.lowering.embeddings import is_one
from tpir.lowering.tensors import Floats, Tensors
from tpir.lowering.variables import Stream, domain_of, is_exact_sum
from tpir.models.config import TransformerProgramConfig


@dataclass(frozen=True, eq=False)
class Term:
    """What one variable adds: ``rows`` [value, label], or one row for each unit of a number."""

    node: Node
    rows: Floats
    is_number: bool

    @property
    def weights(self) -> FeatureWeights:
        """The rows as a readout holds them."""
        rows = tuple(map(tuple, self.rows.tolist()))
        return (
            NumberWeights(rows[0]) if self.is_number else TableWeights(domain_of(self.node), rows)
        )


def read_out(
    builder: Builder, config: TransformerProgramConfig, tensors: Tensors, stream: Stream
) -> Node:
    """The label at each position, or the one label of a pooled model.

    Features are the variables whose weights are not all zero. Where all sums are exact in float64,
    a node that several variables hold is read once, with the sum of their weights; elsewhere it
    stays as many features. What is read of the number 1 is the bias.
    """
    shown = _shown(config, tensors)
    labels = tuple(label for label, keep in zip(config.labels, shown, strict=True) if keep)
    terms = _terms(tensors.read("unembed.W_U", *_shape(config, stream))[:, shown], config, stream)
    bias = np.zeros(len(labels))
    op = _readout(config, labels, bias, terms)
    if sums_are_exact(op, [term.node.type for term in terms], config.context):
        terms = _merged(terms)
    for term in [term for term in terms if term.is_number and is_one(term.node)]:
        if is_exact_sum(bias, term.rows[0]):
            bias = bias + term.rows[0]
            terms.remove(term)
    op = _readout(config, labels, bias, terms)
    return builder.add(op, [t.node for t in terms], name="labels", origin=Origin(part="unembed"))


def _shown(config: TransformerProgramConfig, tensors: Tensors) -> NDArray[np.bool_]:
    """Which labels are not masked."""
    if "unembed.mask" not in tensors:
        return np.ones(len(config.labels), dtype=np.bool_)
    masked = tensors.read("unembed.mask", 1, 1, len(config.labels))
    shown = np.asarray(masked.ravel() == 0)
    if not shown.any():
        raise TpirError("tensor unembed.mask masks every label, so none could be predicted")
    return shown


def _shape(config: TransformerProgramConfig, stream: Stream) -> tuple[int, int]:
    rows = len(stream.categorical) * config.d_var + len(stream.numerical)
    return rows, len(config.labels)


def _terms(table: Floats, config: TransformerProgramConfig, stream: Stream) -> list[Term]:
    """For each variable in residual order its weights, where they are not all zero."""
    width = config.d_var
    terms = []
    for k, variable in enumerate(stream.categorical):
        block = table[k * width : (k + 1) * width]
        terms.append(Term(variable.node, block[variable.places], False))
    numbers = table[len(stream.categorical) * width :]
    for node, row in zip(stream.numerical, numbers, strict=True):
        terms.append(Term(node, row[None], True))
    return [term for term in terms if term.rows.any()]


def _merged(terms: Sequence[Term]) -> list[Term]:
    merged: dict[tuple[Node, bool], Term] = {}
    for term in terms:
        # The categorical constant 1 adds the same as the number.
        key = (term.node, term.is_number or is_one(term.node))
        known = merged.get(key)
        rows = term.rows if known is None else known.rows + term.rows
        merged[key] = Term(term.node, rows, key[1])
    return [term for term in merged.values() if term.rows.any()]


def _readout(
    config: TransformerProgramConfig, labels: tuple[str, ...], bias: Floats, terms: Sequence[Term]
) -> Classify | ClassifyPooled:
    weights = tuple(term.weights for term in terms)
    constants = tuple(bias.tolist())
    if not config.pooled:
        return Classify(labels, constants, weights)
    over = Pool.FIRST if config.causal else Pool.ALL
    return ClassifyPooled(labels, constants, weights, over)
