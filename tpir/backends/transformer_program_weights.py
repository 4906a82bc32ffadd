"""The tensors of a Transformer Program from its placement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tpir.backends.transformer_program_legal import reads_numbers
from tpir.backends.transformer_program_mlps import (
    Hidden,
    of_categorical_table,
    of_numerical_table,
    of_relu_function,
)
from tpir.backends.transformer_program_placement import Placement, Unit
from tpir.backends.transformer_program_places import result_places
from tpir.backends.transformer_program_selectors import conjuncts_of
from tpir.ir.functions import NumberWeights, Relation, ReluFunction, ScoreTable, Table
from tpir.ir.ops import (
    AggregateSum,
    Choose,
    Classify,
    ClassifyPooled,
    Map,
    Order,
    Select,
    Tokens,
    offsets_of,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import values_of
from tpir.ir.values import Value, value_key
from tpir.models.config import TransformerProgramConfig
from tpir.models.transformer_program import TransformerProgram

Floats = NDArray[np.float64]
BIAS_LIMIT = 10.0


class Weights:
    """Fills the tensors of one model. What nothing reads stays 0: no choice is preferred there."""

    def __init__(
        self, program: Program, placement: Placement, config: TransformerProgramConfig, logit: int
    ) -> None:
        self.program, self.placement = program, placement
        self.config, self.logit = config, logit
        with torch.random.fork_rng(devices=[]):
            model = TransformerProgram(config)
        trained = {name for name, tensor in model.named_parameters() if tensor.requires_grad}
        tensors = model.state_dict()
        self._fixed = {name: t for name, t in tensors.items() if name not in trained}
        self._learned = {name: np.zeros(tuple(tensors[name].shape)) for name in sorted(trained)}

    def state(self) -> dict[str, Tensor]:
        """Every tensor by name: float32, or float64 where the numbers need it."""
        self._embeddings()
        for layer in range(self.config.n_layers):
            self._layer(layer)
        self._readout()
        return self._fixed | {name: _stored(t) for name, t in self._learned.items()}

    def _choose(self, row: Floats, chosen: int) -> None:
        """Logits that choose one place of a row."""
        row[:] = -self.logit / 2
        row[chosen] = self.logit / 2

    def _places(self, node: Node) -> tuple[int, ...]:
        return self.placement.places[node]

    def _embeddings(self) -> None:
        if not self.config.one_hot_embed:
            logits = self._learned["embed.W_E"].reshape(
                self.config.n_vars_cat, self.config.d_var, -1
            )
            for block, unit in zip(logits, self.placement.words, strict=False):
                for word, place in enumerate(self._per_word(unit.node), start=1):
                    self._choose(block[:, word], self._places(unit.node)[place])
        if not self.config.count_only:
            table = self._learned["num_embed.W_E"]
            for column, number in enumerate(self.placement.numbers):
                table[:, column] = 1.0
                if number is not None:
                    values = values_by_word(self.program, number.node)
                    table[1:, column] = [float(v) for v in values]

    def _per_word(self, node: Node) -> list[int]:
        """For each token, the place of a map's value in the node's type."""
        values = values_of(node.type)
        assert values is not None
        codes = {value_key(v): k for k, v in enumerate(values)}
        return [codes[value_key(v)] for v in values_by_word(self.program, node)]

    def _layer(self, layer: int) -> None:
        units = self.placement.layers[layer]
        for head, unit in enumerate(units.heads_cat):
            self._categorical_head(f"blocks.{layer}.cat_attn", head, unit.node)
        for head, unit in enumerate(units.heads_num):
            self._numerical_head(f"blocks.{layer}.num_attn", head, unit.node)
        for k, unit in enumerate(units.mlps_cat):
            self._mlp(f"blocks.{layer}.cat_mlp.mlps.{k}", unit.node)
        for k, unit in enumerate(units.mlps_num):
            self._mlp(f"blocks.{layer}.num_mlp.mlps.{k}", unit.node)

    def _read(self, name: str, reader: int, variable: int) -> None:
        self._choose(self._learned[name][reader], variable)

    def _categorical_head(self, prefix: str, head: int, node: Node) -> None:
        choice, values = node.operands
        assert isinstance(choice.op, Choose)
        if isinstance(choice.op.score, ScoreTable):
            _, keys, queries = choice.operands
            self._score(prefix, head, choice.op.score, keys, queries)
        else:
            self._predicates(prefix, head, choice.operands[0])
            if self.config.position_bias == "clipped":
                bias = self._learned[f"{prefix}.rel_pos_bias.bias"]
                bias[head] = offset_bias(choice.op.order, self.program)
        self._read(f"{prefix}.W_V.W", head, self.placement.categorical[Unit(values)])

    def _numerical_head(self, prefix: str, head: int, node: Node) -> None:
        self._predicates(prefix, head, node.operands[0])
        number = Unit(node.operands[1]) if isinstance(node.op, AggregateSum) else None
        self._read(f"{prefix}.W_V.W", head, self.placement.numerical[number])

    def _predicates(self, prefix: str, head: int, selector: Node) -> None:
        """Each conjunct of a head; those that it does not need are true everywhere."""
        first, conjuncts = head * self.config.conjuncts, conjuncts_of(selector)
        for row, conjunct in enumerate(conjuncts, start=first):
            self._predicate(prefix, row, conjunct)
        unused = slice(first + len(conjuncts), first + self.config.conjuncts)
        self._learned[f"{prefix}.W_pred.W"][unused] = self.logit

    def _predicate(self, prefix: str, row: int, selector: Node) -> None:
        """For each query value the key values that match.

        Where it has to be one and none does, a place that no key takes.
        """
        assert isinstance(selector.op, Select)
        relation = selector.op.predicate
        assert isinstance(relation, Relation)
        keys, queries = selector.operands
        values = values_of(keys.type)
        assert values is not None
        place_of = dict(zip(map(value_key, values), self._places(keys), strict=True))
        spare = min(set(range(self.config.d_var)) - set(self._places(keys)), default=-1)
        self._read_pair(prefix, row, keys, queries)
        logits = self._learned[f"{prefix}.W_pred.W"][row]
        for place, found in zip(self._places(queries), relation.rows, strict=True):
            if self.config.predicates == "set":
                logits[place] = -self.logit
                logits[place, [place_of[value_key(value)] for value in found]] = self.logit
                continue
            self._choose(logits[place], place_of[value_key(found[0])] if found else spare)

    def _read_pair(self, prefix: str, row: int, keys: Node, queries: Node) -> None:
        self._read(f"{prefix}.W_K.W", row, self.placement.categorical[Unit(keys)])
        self._read(f"{prefix}.W_Q.W", row, self.placement.categorical[Unit(queries)])

    def _score(self, prefix: str, head: int, score: ScoreTable, keys: Node, queries: Node) -> None:
        """Scores as whole steps, each as large as a choice is worth after division by the scale."""
        self._read_pair(prefix, head, keys, queries)
        step = self.logit * math.ceil(math.sqrt(self.config.d_var))
        table = self._learned[f"{prefix}.W_pred.W"][head]
        for place, row in zip(self._places(queries), score.rows, strict=True):
            ranks = np.unique(np.array(row), return_inverse=True)[1].ravel()
            table[place, list(self._places(keys))] = ranks * step

    def _mlp(self, prefix: str, node: Node) -> None:
        numerical = reads_numbers(node)
        for k, operand in enumerate(node.operands):
            found = self.placement.numerical if numerical else self.placement.categorical
            self._read(f"{prefix}.W_read.W", k, found[Unit(operand)])
        if self.config.mlps == "table":
            self._table(f"{prefix}.W_table", node)
            return
        hidden = hidden_layer(self.placement, node, self.logit)
        units, inputs = hidden.w_in.shape
        self._learned[f"{prefix}.W_in"][:units, :inputs] = hidden.w_in
        self._learned[f"{prefix}.b_in"][:units] = hidden.b_in
        self._learned[f"{prefix}.W_out"][:, :units] = hidden.w_out
        self._learned[f"{prefix}.b_out"][:] = hidden.b_out

    def _table(self, name: str, node: Node) -> None:
        """Each row that operands reach, whatever the inputs hold that read nothing."""
        d_var, inputs = self.config.d_var, self.config.mlp_inputs
        results = result_places(node, self.placement.places)
        rows = np.full((*results.shape, d_var), -self.logit / 2)
        np.put_along_axis(rows, results[..., None], self.logit / 2, axis=-1)
        places = [list(self._rows_of(node, operand)) for operand in node.operands]
        rows = rows[np.ix_(*map(range, map(len, places)), range(d_var))]
        unused = [range(d_var)] * (inputs - len(places))
        table = self._learned[name].reshape([d_var] * (inputs + 1))
        rows = rows.reshape(*rows.shape[:-1], *[1] * len(unused), d_var)
        table[np.ix_(*places, *unused, range(d_var))] = rows

    def _rows_of(self, node: Node, operand: Node) -> Sequence[int]:
        """Which rows of a table the values of an operand read; numbers beyond it, the last."""
        if not reads_numbers(node):
            return self._places(operand)
        values = values_of(operand.type)
        assert values is not None
        return [int(value) for value in values if int(value) < self.config.d_var]

    def _readout(self) -> None:
        op = self.placement.readout.op
        assert isinstance(op, Classify | ClassifyPooled)
        labels = [self.config.labels.index(str(label)) for label in op.labels]
        table = self._learned["unembed.W_U"]
        numbers = len(table) - self.config.num_variables(self.config.n_layers)
        copies: dict[tuple[Node, bool], int] = {}
        for node, weights in zip(self.placement.readout.operands, op.weights, strict=True):
            is_number = isinstance(weights, NumberWeights)
            unit = Unit(node, copies.get((node, is_number), 0))
            copies[node, is_number] = unit.copy + 1
            if isinstance(weights, NumberWeights):
                table[numbers + self.placement.numerical[unit], labels] = weights.row
                continue
            start = self.placement.categorical[unit] * self.config.d_var
            rows = [start + place for place in self._places(node)]
            table[np.ix_(rows, labels)] = weights.rows
        if any(op.bias):
            table[numbers + self.placement.numerical[None], labels] = op.bias


def values_by_word(program: Program, node: Node) -> list[Value]:
    """The token itself, or what a table of it gives, in the order of the vocabulary."""
    if isinstance(node.op, Tokens):
        return list(program.vocabulary)
    assert isinstance(node.op, Map) and isinstance(node.op.function, Table)
    results = node.op.function.results
    return list(results) if node.operands else [results[0]] * len(program.vocabulary)


def hidden_layer(placement: Placement, node: Node, logit: int) -> Hidden:
    """The hidden layer of an MLP."""
    assert isinstance(node.op, Map)
    function, d_var = node.op.function, placement.d_var
    if isinstance(function, ReluFunction):
        return of_relu_function(function, d_var, logit)
    assert isinstance(function, Table)
    results = result_places(node, placement.places)
    if reads_numbers(node):
        least = [int(domain[0]) for domain in function.domains]
        return of_numerical_table(results, least, d_var, logit)
    operands = [placement.places[operand] for operand in node.operands]
    return of_categorical_table(results, operands, d_var, logit)


def offset_bias(order: Order, program: Program) -> Floats:
    """A ``clipped`` position bias that ranks offsets, from one end of its range to the other."""
    offsets = offsets_of(order, program.context, program.causal)
    bias = np.full(2 * program.context, -BIAS_LIMIT)
    bias[list(offsets)] = np.linspace(BIAS_LIMIT, -BIAS_LIMIT, len(offsets), dtype=np.float32)
    return bias


def _stored(numbers: Floats) -> Tensor:
    single = numbers.astype(np.float32)
    return torch.from_numpy(single if np.array_equal(single, numbers) else numbers.copy())
