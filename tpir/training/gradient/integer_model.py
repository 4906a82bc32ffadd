"""A discretised model as integer arrays, to ask what one changed choice would come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.models.config import TransformerProgramConfig
from tpir.models.discrete import first_argmax
from tpir.models.stored import Checkpoint
from tpir.training.gradient.attention import Nearness
from tpir.training.gradient.data import Data
from tpir.training.problem import IGNORED, UNLISTED

Ints = NDArray[np.int16]
Places = NDArray[np.intp]
Floats = NDArray[np.float32]
Kind = Literal["cat_attn", "num_attn", "cat_mlp", "num_mlp"]

Change = Mapping[tuple[str, int], Ints]
"""New values [position, input] of variables, by kind (``cat`` or ``num``) and number."""


@dataclass
class Unit:
    """One head or MLP: ``reads`` are what it reads, ``body`` its relation or table.

    A head reads a key, a query and what it copies or sums; its relation is [query value, key
    value], of 0 and 1. A table is flat, the first input slowest. ``out`` is the variable it
    writes, ``options`` how many variables each of ``reads`` is chosen from.
    """

    kind: Kind
    layer: int
    place: int
    reads: Ints
    options: tuple[int, ...]
    body: Ints
    out: tuple[str, int]

    @property
    def inputs(self) -> list[tuple[str, int]]:
        """The variables it reads, by kind and number."""
        if self.kind == "num_attn":
            key, query, summed = self.reads.tolist()
            return [("cat", key), ("cat", query), ("num", summed)]
        kind = "num" if self.kind == "num_mlp" else "cat"
        return [(kind, variable) for variable in self.reads.tolist()]

    @property
    def is_head(self) -> bool:
        """Whether it attends."""
        return self.kind in ("cat_attn", "num_attn")


def units_of(checkpoint: Checkpoint) -> list[Unit]:
    """The heads and MLPs of a model in an order in which each reads earlier ones.

    Raises TpirError for models that gradient runs do not train.
    """
    config, state = checkpoint.config, checkpoint.state
    plain = config.one_hot_embed and config.count_only and config.position_bias == "fixed"
    if config.mlps != "table" or config.conjuncts != 1 or config.pooled or not plain:
        raise TpirError(
            "what is polished has a label for each position, MLPs that are tables, "
            "and heads of one predicate that take the nearest key"
        )
    found = []
    for layer in range(config.n_layers):
        cat, num = config.cat_variables(layer), config.num_variables(layer)
        new_cat, new_num = cat + config.n_heads_cat, num + config.n_heads_num
        for head in range(config.n_heads_cat):
            reads, body = _head(state, config, f"blocks.{layer}.cat_attn", head)
            choices, out = (cat, cat, cat), ("cat", cat + head)
            found.append(Unit("cat_attn", layer, head, reads, choices, body, out))
        for head in range(config.n_heads_num):
            reads, body = _head(state, config, f"blocks.{layer}.num_attn", head)
            choices, out = (cat, cat, num), ("num", num + head)
            found.append(Unit("num_attn", layer, head, reads, choices, body, out))
        mlps: list[tuple[Kind, int]] = [("cat_mlp", k) for k in range(config.n_cat_mlps)]
        mlps += [("num_mlp", k) for k in range(config.n_num_mlps)]
        for k, (kind, place) in enumerate(mlps):
            prefix = f"blocks.{layer}.{kind}.mlps.{place}"
            reads = _small(first_argmax(state[f"{prefix}.W_read.W"], 1))
            table = _small(first_argmax(state[f"{prefix}.W_table"], 1))
            options = (new_num if kind == "num_mlp" else new_cat,) * config.mlp_inputs
            out = ("cat", new_cat + k)
            found.append(Unit(kind, layer, place, reads, options, table, out))
    return found


def _head(
    state: Mapping[str, torch.Tensor], config: TransformerProgramConfig, prefix: str, head: int
) -> tuple[Ints, Ints]:
    names = ("W_K", "W_Q", "W_V")
    reads = torch.stack([first_argmax(state[f"{prefix}.{name}.W"][head], 0) for name in names])
    logits = state[f"{prefix}.W_pred.W"][head]
    if config.predicates == "set":
        relation = logits > 0
    else:
        relation = torch.zeros_like(logits, dtype=torch.bool)
        relation.scatter_(1, first_argmax(logits, 1).unsqueeze(1), True)
    return _small(reads), _small(relation)


def _small(numbers: torch.Tensor) -> Ints:
    return numbers.to(torch.int16).numpy()


class IntegerModel:
    """All variables of a model on some inputs, its logits, and its loss.

    The loss is the mean cross entropy of labels, each input weighing ``shares`` [input].
    ``variables`` [position, input] are by kind and number. Labels that the model masks, and those
    it does not have, count for nothing.
    """

    def __init__(self, checkpoint: Checkpoint, data: Data, shares: Floats) -> None:
        self.config, self.units = checkpoint.config, units_of(checkpoint)
        tokens = np.ascontiguousarray(data.tokens.numpy().T.astype(np.int16))
        self.present = tokens != 0
        self.length, self.size = tokens.shape
        places = np.tile(np.arange(self.length, dtype=np.int16)[:, None], self.size)
        self.variables: dict[tuple[str, int], Ints] = {("cat", 0): tokens, ("cat", 1): places}
        self.variables |= {("num", k): np.ones_like(tokens) for k in range(self.config.n_vars_num)}
        nearness = Nearness(self.length, self.config.context, torch.device("cpu"))
        order = (nearness.ranked.view(self.length, self.length).T % self.length).numpy()
        self.worth = (self.length - order.argsort(1)).astype(np.int8)[:, :, None]
        self.position = np.concatenate([np.zeros_like(order[:, :1]), order[:, ::-1]], 1)
        masked = self.config.masked_labels or ()
        self.shown = [k for k, label in enumerate(self.config.labels) if label not in masked]
        self._set_targets(data, shares)
        for unit in self.units:
            self.variables[unit.out] = self.compute(unit)
        self.read_out(checkpoint.state["unembed.W_U"].float().numpy())

    def _set_targets(self, data: Data, shares: Floats) -> None:
        known = np.full(len(self.config.labels), -1)
        known[self.shown] = np.arange(len(self.shown))
        wanted = data.targets.numpy().T
        listed = (wanted != IGNORED) & (wanted != UNLISTED)
        self.targets = np.where(listed, known[np.where(listed, wanted, 0)], -1)
        self.weights = (self.targets >= 0) * shares
        self.weights = (self.weights / max(self.weights.sum(), 1e-300)).astype(np.float32)

    def compute(
        self, unit: Unit, change: Change | None = None, inputs: Places | slice = slice(None)
    ) -> Ints:
        """What a unit gives [position, input] for some inputs; ``change`` is for those alone."""
        read = [self._value(variable, change, inputs) for variable in unit.inputs]
        if not unit.is_head:
            return unit.body.take(self.rows(read))
        keys, queries, values = read
        matches = self._matches(unit, keys, queries)
        matches &= self.present[:, inputs]
        if self.config.causal:
            matches &= np.tri(self.length, dtype=np.bool_)[:, :, None]
        if unit.kind == "num_attn":
            sums: Ints = (matches * values).sum(1, dtype=np.int16)
            return sums
        best = (matches * self.worth).max(1)
        chosen = self.position[np.arange(self.length)[:, None], best]
        return np.take_along_axis(values, chosen, 0)

    def _matches(self, unit: Unit, keys: Ints, queries: Ints) -> NDArray[np.bool_]:
        """Truth values [query, key, input]."""
        if self.config.predicates == "one":
            wanted = unit.body.argmax(1).astype(np.int16).take(queries)
            same: NDArray[np.bool_] = wanted[:, None] == keys
            return same
        pairs = (queries * np.intp(self.config.d_var))[:, None] + keys
        found: NDArray[np.bool_] = unit.body.astype(np.bool_).ravel().take(pairs)
        return found

    def rows(self, read: Sequence[Ints]) -> Places:
        """Which row of its table an MLP reads, of values or numbers ``read``."""
        found = np.zeros(read[0].shape, np.intp)
        for values in read:
            found = found * self.config.d_var + values.clip(0, self.config.d_var - 1)
        return found

    def _value(
        self, variable: tuple[str, int], change: Change | None, inputs: Places | slice
    ) -> Ints:
        if change is not None and variable in change:
            return change[variable]
        return self.variables[variable][:, inputs]

    def read_out(self, readout: Floats) -> None:
        """Take a readout [feature, label], all labels, and its logits."""
        self.readout = np.ascontiguousarray(readout[:, self.shown].T)
        zeros = np.zeros((len(self.shown), self.length, self.size), np.float32)
        self.logits = zeros + sum(self._term(v, x) for v, x in self.variables.items())
        self.losses = self._losses(self.logits, slice(None))
        self.loss = float(self.losses.sum(dtype=np.float64))

    def _term(self, variable: tuple[str, int], values: Ints) -> Floats:
        kind, k = variable
        n_cat = self.config.cat_variables(self.config.n_layers) * self.config.d_var
        if kind == "num":
            return self.readout[:, n_cat + k, None, None] * values.astype(np.float32)
        first = k * self.config.d_var
        return self.readout[:, first : first + self.config.d_var].take(values, 1)

    def _losses(self, logits: Floats, inputs: Places | slice) -> Floats:
        """What each input adds to the loss."""
        targets = self.targets[:, inputs]
        peak = logits.max(0)
        spread = np.log(np.exp(logits - peak).sum(0)) + peak
        of_target = np.take_along_axis(logits, targets.clip(0)[None], 0)[0]
        each: Floats = ((spread - of_target) * self.weights[:, inputs]).sum(0)
        return each

    def effect(self, unit: Unit, inputs: Places) -> tuple[Change, Places, float]:
        """What follows from ``unit``, as it is now, on the inputs where it may differ.

        The variables that change, on which inputs, and the loss.
        """
        new = self.compute(unit, None, inputs)
        differs = ((new != self.variables[unit.out][:, inputs]) & self.present[:, inputs]).any(0)
        inputs, new = inputs[differs], new[:, differs]
        change: dict[tuple[str, int], Ints] = {unit.out: new}
        if not len(inputs):
            return change, inputs, self.loss
        for later in self.units:
            if later is not unit and any(variable in change for variable in later.inputs):
                change[later.out] = self.compute(later, change, inputs)
        logits = self.logits[..., inputs]
        for variable, values in change.items():
            before = self.variables[variable][:, inputs]
            logits = logits + (self._term(variable, values) - self._term(variable, before))
        more = (self._losses(logits, inputs) - self.losses[inputs]).sum(dtype=np.float64)
        return change, inputs, self.loss + float(more)

    def take(self, change: Change, inputs: Places) -> None:
        """Make a change that ``effect`` gave, for good."""
        for variable, values in change.items():
            before = self.variables[variable][:, inputs]
            self.logits[..., inputs] += self._term(variable, values) - self._term(variable, before)
            self.variables[variable][:, inputs] = values
        self.losses[inputs] = self._losses(self.logits[..., inputs], inputs)
        self.loss = float(self.losses.sum(dtype=np.float64))

    def accuracy(self) -> float:
        """The share of labels that are right, 0 to 1."""
        right = (self.logits.argmax(0) == self.targets) & (self.targets >= 0)
        return float(right.sum() / max((self.targets >= 0).sum(), 1))
