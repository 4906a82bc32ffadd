"""Attention heads as selectors, choices and sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.functions import Relation, ScoreTable
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    Choose,
    Order,
    Otherwise,
    Preference,
    Select,
    SelectorWidth,
    canonical_order,
)
from tpir.ir.program import Node, Origin
from tpir.ir.values import sorted_values
from tpir.lowering.embeddings import indices_of, is_one
from tpir.lowering.tensors import Floats, Tensors
from tpir.lowering.variables import Stream, Variable
from tpir.models.config import TransformerProgramConfig

_BIAS_LIMIT = 10.0


def categorical_heads(
    builder: Builder,
    config: TransformerProgramConfig,
    tensors: Tensors,
    layer: int,
    stream: Stream,
) -> list[Variable]:
    """The variables that the categorical heads of a layer add."""
    prefix, heads, width = f"blocks.{layer}.cat_attn", config.n_heads_cat, config.d_var
    if not heads:
        return []
    reads = _Reads(tensors, prefix, heads, len(stream.categorical))
    scores = tensors.read(f"{prefix}.W_pred.W", heads, width, width)
    orders = _orders(config, tensors, prefix) if config.attention == "cat" else None
    added = []
    for head in range(heads):
        name, origin = f"attn_{layer}_{head}", Origin(layer, f"attn {head}")
        keys = stream.categorical[reads.keys[head]]
        queries = stream.categorical[reads.queries[head]]
        if orders is None:
            logits = _divided(scores[head], config)
            chosen = _best_scored(builder, keys, queries, logits, name, origin)
        else:
            matches = select_matches(
                builder, keys, queries, matched_keys(config, scores[head]), name, origin
            )
            choice = Choose(orders[head], None, Otherwise.FIRST)
            chosen = builder.add(choice, [matches], name=f"{name}_key", origin=origin)
        values = stream.categorical[reads.values[head]]
        node = builder.add(Aggregate(), [chosen, values.node], name=name, origin=origin)
        added.append(values.copied_to(node))
    return added


def numerical_heads(
    builder: Builder,
    config: TransformerProgramConfig,
    tensors: Tensors,
    layer: int,
    stream: Stream,
) -> list[Node]:
    """The numbers that the numerical heads of a layer add."""
    prefix, heads, width = f"blocks.{layer}.num_attn", config.n_heads_num, config.d_var
    if not heads:
        return []
    reads = _Reads(tensors, prefix, heads, len(stream.categorical), len(stream.numerical))
    matched = matched_keys(config, tensors.read(f"{prefix}.W_pred.W", heads, width, width))
    added = []
    for head in range(heads):
        name, origin = f"n_{layer}_{head}", Origin(layer, f"num_attn {head}")
        keys = stream.categorical[reads.keys[head]]
        queries = stream.categorical[reads.queries[head]]
        matches = select_matches(builder, keys, queries, matched[head], name, origin)
        values = stream.numerical[reads.values[head]]
        if is_one(values):
            added.append(builder.add(SelectorWidth(), [matches], name=name, origin=origin))
        else:
            added.append(builder.add(AggregateSum(), [matches, values], name=name, origin=origin))
    return added


class _Reads:
    """Which variables the heads of one layer read."""

    def __init__(
        self, tensors: Tensors, prefix: str, heads: int, variables: int, numbers: int | None = None
    ) -> None:
        self.keys = tensors.choices(f"{prefix}.W_K.W", heads, variables)
        self.queries = tensors.choices(f"{prefix}.W_Q.W", heads, variables)
        last = variables if numbers is None else numbers
        self.values = tensors.choices(f"{prefix}.W_V.W", heads, last)


def matched_keys(config: TransformerProgramConfig, logits: Floats) -> NDArray[np.bool_]:
    """Which key places match, for ``logits`` [..., query place, key place]: of the same shape.

    Those above 0, or with one key value a query the greatest, of equal ones the first.
    """
    if config.predicates == "set":
        return np.asarray(logits > 0)
    return np.asarray(np.arange(logits.shape[-1]) == logits.argmax(axis=-1)[..., None])


def select_matches(
    builder: Builder,
    keys: Variable,
    queries: Variable,
    matched: NDArray[np.bool_],
    name: str,
    origin: Origin,
) -> Node:
    """The selector of a predicate: ``matched`` [query place, key place] says which places match.

    There is one way to write each selector, whatever the model reads in vain: where all rows are
    equal, the query does not matter and is ``indices``; if they are all empty, so are the keys; a
    selector of all keys is ``True`` over indices.
    """
    found = matched[np.ix_(queries.places, keys.places)]
    rows = [
        sorted_values(v for v, holds in zip(keys.domain, row, strict=True) if holds)
        for row in found
    ]
    indices = indices_of(builder)
    key_node, query_node = keys.node, queries.node
    predicate: Relation | Always = Relation(queries.domain, tuple(rows))
    if all(row == rows[0] for row in rows):
        query_node = indices
        positions = tuple(range(builder.header.context))
        predicate = Relation(positions, (rows[0],) * len(positions))
        if len(rows[0]) == len(keys.domain):
            predicate = Always(True)
        if not rows[0] or predicate == Always(True):
            key_node = indices
    return builder.add(
        Select(predicate), [key_node, query_node], name=f"{name}_match", origin=origin
    )


def _best_scored(
    builder: Builder,
    keys: Variable,
    queries: Variable,
    logits: NDArray[np.float32],
    name: str,
    origin: Origin,
) -> Node:
    """Score attention: of all permitted keys the one with the best score, ties to the left.

    Only the order of the scores of one query value counts, so they are numbered from 0. A query,
    or a key, that does not matter is ``indices``.
    """
    indices = indices_of(builder)
    used = logits[np.ix_(queries.places, keys.places)]
    ranks = [tuple(np.unique(row, return_inverse=True)[1].ravel().tolist()) for row in used]
    key_node, query_node = keys.node, queries.node
    score = ScoreTable(queries.domain, keys.domain, tuple(ranks))
    if all(row == ranks[0] for row in ranks):
        query_node, positions = indices, tuple(range(builder.header.context))
        score = ScoreTable(positions, keys.domain, (ranks[0],) * len(positions))
        if not any(ranks[0]):
            key_node, flat = indices, (0,) * len(positions)
            score = ScoreTable(positions, positions, (flat,) * len(positions))
    every = builder.add(
        Select(Always(True)), [indices, indices], name=f"{name}_match", origin=origin
    )
    choice = Choose(Preference.FIRST, score, Otherwise.FIRST)
    return builder.add(choice, [every, key_node, query_node], name=f"{name}_key", origin=origin)


def _orders(config: TransformerProgramConfig, tensors: Tensors, prefix: str) -> list[Order]:
    """For each head, the order of offsets that its position bias gives, ties to the left."""
    name, context = f"{prefix}.rel_pos_bias.bias", config.context
    bias = tensors.read(name, config.n_heads_cat, 2 * context)
    if config.position_bias == "none" and (bias != bias[:, :1]).any():
        raise TpirError(f"tensor {name} is not constant, but the model's position bias is none")
    if config.position_bias == "clipped":
        bias = bias.clip(-_BIAS_LIMIT, _BIAS_LIMIT)
    logits = _divided(bias, config)
    offsets = np.arange(-(context - 1), 1 if config.causal else context)
    orders = []
    for row in logits:
        best_first = offsets[np.argsort(-row[offsets], kind="stable")]
        order = tuple(best_first.tolist())
        orders.append(canonical_order(order, context, config.causal))
    return orders


def _divided(numbers: Floats, config: TransformerProgramConfig) -> NDArray[np.float32]:
    """Attention logits as the model ranks them: float32, divided by the root of d_var."""
    divided: NDArray[np.float32] = numbers.astype(np.float32) / np.float32(np.sqrt(config.d_var))
    return divided
