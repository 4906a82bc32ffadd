"""Attention heads as selectors, choices and sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.conjunctions import Match, conjoin, without_constants
from tpir.ir.functions import Relation, ScoreTable
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    And,
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
from tpir.lowering.variables import Stream, Variable, domain_of
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
    prefix = f"blocks.{layer}.cat_attn"
    if not config.n_heads_cat:
        return []
    heads = _Heads(config, tensors, prefix, stream, config.n_heads_cat, len(stream.categorical))
    orders = _orders(config, tensors, prefix) if config.attention == "cat" else None
    added = []
    for head in range(config.n_heads_cat):
        name, origin = f"attn_{layer}_{head}", Origin(layer, f"attn {head}")
        if orders is None:
            keys, queries, scores = heads.predicate(head)
            logits = _divided(scores, config)
            chosen = _best_scored(builder, keys, queries, logits, name, origin)
        else:
            matches = select_matches(builder, heads.matches(head), name, origin)
            choice = Choose(orders[head], None, Otherwise.FIRST)
            chosen = builder.add(choice, [matches], name=f"{name}_key", origin=origin)
        values = stream.categorical[heads.values[head]]
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
    prefix = f"blocks.{layer}.num_attn"
    if not config.n_heads_num:
        return []
    heads = _Heads(config, tensors, prefix, stream, config.n_heads_num, len(stream.numerical))
    added = []
    for head in range(config.n_heads_num):
        name, origin = f"n_{layer}_{head}", Origin(layer, f"num_attn {head}")
        matches = select_matches(builder, heads.matches(head), name, origin)
        values = stream.numerical[heads.values[head]]
        if is_one(values):
            added.append(builder.add(SelectorWidth(), [matches], name=name, origin=origin))
        else:
            added.append(builder.add(AggregateSum(), [matches, values], name=name, origin=origin))
    return added


class _Heads:
    """What the heads of one layer read, and their predicates."""

    def __init__(
        self,
        config: TransformerProgramConfig,
        tensors: Tensors,
        prefix: str,
        stream: Stream,
        heads: int,
        values: int,
    ) -> None:
        self.config, self.variables = config, stream.categorical
        self.indices = stream.categorical[config.n_vars_cat].node
        predicates, width = heads * config.conjuncts, config.d_var
        self.keys = tensors.choices(f"{prefix}.W_K.W", predicates, len(self.variables))
        self.queries = tensors.choices(f"{prefix}.W_Q.W", predicates, len(self.variables))
        self.logits = tensors.read(f"{prefix}.W_pred.W", predicates, width, width)
        self.values = tensors.choices(f"{prefix}.W_V.W", heads, values)

    def predicate(self, row: int) -> tuple[Variable, Variable, Floats]:
        """Keys, queries, and the logits [query place, key place] of one predicate."""
        keys, queries = self.variables[self.keys[row]], self.variables[self.queries[row]]
        return keys, queries, self.logits[row]

    def matches(self, head: int) -> list[Match]:
        """What each conjunct of a head asks for."""
        first, found = head * self.config.conjuncts, []
        sets = self.config.predicates == "set"
        for row in range(first, first + self.config.conjuncts):
            keys, queries, logits = self.predicate(row)
            holds = self._matched(logits)[np.ix_(queries.places, keys.places)]
            match = Match(keys.node, queries.node, holds)
            found.append(without_constants(match, self.indices, keys=sets))
        return found

    def _matched(self, logits: Floats) -> NDArray[np.bool_]:
        """Which key places match: those above 0, or of one key value the greatest, the first."""
        if self.config.predicates == "set":
            return np.asarray(logits > 0)
        return np.asarray(np.arange(logits.shape[-1]) == logits.argmax(axis=-1)[..., None])


def select_matches(builder: Builder, matches: list[Match], name: str, origin: Origin) -> Node:
    """The selector of a head, whose conjuncts all have to match.

    There is one way to write each, whatever the model reads in vain: conjuncts that one relation
    can hold are one, those that are true everywhere are left out, and of none it is ``True``.
    """
    indices, name = indices_of(builder), f"{name}_match"
    found = conjoin(matches)
    if not found:
        always = Select(Always(True))
        return builder.add(always, [indices, indices], name=name, origin=origin)
    names = [name] if len(found) == 1 else [f"{name}_{k}" for k in range(len(found))]
    selectors = [_select(builder, *each, origin) for each in zip(found, names, strict=True)]
    selector = selectors[0]
    for other in selectors[1:]:
        selector = builder.add(And(), [selector, other], name=name, origin=origin)
    return selector


def _select(builder: Builder, match: Match, name: str, origin: Origin) -> Node:
    """The selector of one relation, not true everywhere.

    Where all rows are equal, the query does not matter and is ``indices``; if they are all empty,
    so are the keys.
    """
    domain, indices = domain_of(match.keys), indices_of(builder)
    keys, queries = match.keys, match.queries
    rows = [
        sorted_values(v for v, holds in zip(domain, row, strict=True) if holds)
        for row in match.holds
    ]
    if match.ignores_queries:
        queries, rows = indices, rows[:1] * builder.header.context
        if not rows[0]:
            keys = indices
    relation = Relation(domain_of(queries), tuple(rows))
    return builder.add(Select(relation), [keys, queries], name=name, origin=origin)


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
