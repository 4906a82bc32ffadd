"""The relaxed forward pass of many runs at once.

Arrays run [seed, variable or head, value, position, batch]: every read of the residual stream is
one product of matrices for each seed, whatever the number of heads, and the batch is innermost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tpir.models.config import TransformerProgramConfig
from tpir.training.gradient.attention import Nearness, closest, contract
from tpir.training.gradient.layout import Layout, whole
from tpir.training.gradient.stream import Stream
from tpir.training.gradient.tables import look_up

_MASKED = -1e30

_LEAST = 2.0**-25
"""Stands for a uniform draw of 0, whose logarithm is infinite."""


def relax(
    layout: Layout,
    logits: Tensor,
    uniform: Tensor,
    *,
    temperature: float,
    noise: float,
) -> dict[str, Tensor]:
    """Soft choices by group, [seed, *shape], from ``logits`` [seed, size].

    ``uniform`` [seed, size] are draws from 0 to 1. A choice among options is a Gumbel-softmax
    sample, a set of key values a Gumbel-sigmoid one; ``noise`` scales the noise of both.
    """
    log = uniform.clamp(min=_LEAST).log_()
    gumbel = (-log).log_()
    drawn = torch.add(logits, gumbel, alpha=-noise) / temperature
    parts = layout.split(drawn)
    soft = {g.name: parts[g.name].softmax(g.axis + 1) for g in layout.groups}
    if layout.config.predicates == "set" and "predicates" in soft:
        group = layout.groups[0]
        part = slice(0, whole(group.size))
        logistic = log[:, part] - (1 - uniform[:, part]).log()
        truth = torch.sigmoid((logits[:, part] + noise * logistic) / temperature)
        soft["predicates"] = truth[:, : group.size].reshape(-1, *group.shape)
    return soft


class Batch:
    """Token indices [batch, position] with what the forward pass needs of them.

    ``embedded`` [2, value * position * batch] are the token and the position, one-hot;
    ``permitted`` [query or 1, key, batch] is 1 where a head may look, None where it may everywhere.
    """

    def __init__(self, config: TransformerProgramConfig, tokens: Tensor) -> None:
        self.tokens = tokens
        self.size, self.length = tokens.shape
        one_hot = torch.eye(config.d_var, device=tokens.device)
        words = one_hot[:, tokens.T.reshape(-1)]
        places = one_hot[:, : self.length].unsqueeze(-1).expand(-1, -1, self.size)
        self.embedded = torch.stack([words.flatten(), places.flatten()])
        self.permitted = _permitted(config, tokens.T)


def _permitted(config: TransformerProgramConfig, tokens: Tensor) -> Tensor | None:
    present = torch.ones_like(tokens, dtype=torch.bool)
    if config.pad_id is not None:
        present = tokens != config.pad_id
    if config.causal:
        past = present.new_ones(len(tokens), len(tokens)).tril()
        return (past.unsqueeze(-1) & present).float()
    return None if bool(present.all()) else present.unsqueeze(0).float()


class RelaxedForward:
    """The forward pass of models of some sizes; it holds no weights."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self.layout, self.config, self.device = layout, layout.config, device
        self.counts = torch.arange(self.config.d_var, device=device).float().unsqueeze(-1)
        self._nearness: dict[int, Nearness] = {}
        self._streams: dict[tuple[int, int], Stream] = {}

    def nearness(self, length: int) -> Nearness:
        """The order of keys in inputs of ``length`` positions."""
        if length not in self._nearness:
            self._nearness[length] = Nearness(length, self.config.context, self.device)
        return self._nearness[length]

    def stream(self, seeds: int, places: int) -> Stream:
        """A residual stream for passes of that size."""
        if (seeds, places) not in self._streams:
            variables = self.config.cat_variables(self.config.n_layers)
            numbers = self.config.d_var * places
            self._streams = {(seeds, places): Stream(seeds, variables, numbers, self.device)}
        return self._streams[seeds, places]

    def __call__(self, soft: Mapping[str, Tensor], readout: Tensor, batch: Batch) -> Tensor:
        """Label logits [seed, label, position * batch], or [seed, label, batch] if pooled.

        ``soft`` are the choices, ``readout`` [seed, label, feature] the weights of the labels.
        """
        run = _Run(self, soft, len(readout), batch)
        for layer in range(self.config.n_layers):
            run.attend(layer)
            run.look_up(layer)
        return finished(self.config, run.read_out(readout), batch.tokens)


class _Run:
    """One pass: the categorical stream, and ``numbers`` [seed, variable, place], while they grow.

    Places are positions times batch.
    """

    def __init__(
        self, model: RelaxedForward, soft: Mapping[str, Tensor], seeds: int, batch: Batch
    ) -> None:
        self.model, self.config, self.soft, self.batch = model, model.config, soft, batch
        self.seeds, self.places = seeds, batch.size * batch.length
        self.stream = model.stream(seeds, self.places)
        self.stream.begin(batch.embedded)
        ones = batch.embedded.new_ones(1, 1, self.places)
        self.numbers = ones.expand(seeds, self.config.n_vars_num, -1)
        self.predicates = self._by_layer("predicates", model.layout.heads)
        self.tables = self._by_layer("tables", model.layout.mlps)

    def _by_layer(self, name: str, count: int) -> Sequence[Tensor]:
        return torch.split(self.soft[name], count, 1) if name in self.soft else ()

    def attend(self, layer: int) -> None:
        """Append the results of the heads of ``layer``."""
        heads, n_cat = self.model.layout.heads, self.config.n_heads_cat
        if not heads:
            return
        read = self.stream.read(self.soft[f"reads.{layer}"])
        keys, queries, values = torch.split(read, [heads, heads, n_cat], dim=1)
        d_var = self.config.d_var
        relation = self.predicates[layer].reshape(-1, d_var, d_var)
        wanted = torch.bmm(relation, queries.reshape(len(relation), d_var, self.places))
        matches = contract(self._by_position(wanted), self._by_position(keys))
        if self.batch.permitted is not None:
            matches = matches * self.batch.permitted
        copying, counting = torch.split(matches, [n_cat, heads - n_cat], dim=1)
        if n_cat:
            weights = closest(copying, self.model.nearness(self.batch.length))
            # The copied value, [value, query], is a sum over keys.
            read_values = self._by_position(values).transpose(2, 3)
            self.stream.append(contract(read_values, weights.transpose(2, 3)).flatten(2))
        if self.config.n_heads_num:
            self._sum(layer, counting)

    def _sum(self, layer: int, matches: Tensor) -> None:
        summed = torch.bmm(self.soft[f"sums.{layer}"], self.numbers)
        each = summed.view(self.seeds, -1, self.batch.length, 1, self.batch.size)
        sums = contract(each, matches.transpose(2, 3))
        self.numbers = torch.cat([self.numbers, sums.flatten(2)], 1)

    def look_up(self, layer: int) -> None:
        """Append the results of the MLPs of ``layer``."""
        inputs = []
        if self.config.n_cat_mlps:
            inputs.append(self.stream.read(self.soft[f"cat_inputs.{layer}"]))
        if self.config.n_num_mlps:
            numbers = torch.bmm(self.soft[f"num_inputs.{layer}"], self.numbers)
            inputs.append(self._as_categories(numbers))
        if not inputs:
            return
        each = torch.cat(inputs, 1).view(-1, self.config.mlp_inputs, self.config.d_var, self.places)
        found = look_up(each, self.tables[layer].flatten(0, 1))
        self.stream.append(found.view(self.seeds, self.model.layout.mlps, -1))

    def _as_categories(self, numbers: Tensor) -> Tensor:
        """Each number as weights of the whole numbers beside it, clipped to what a table takes."""
        clipped = numbers.clamp(0, self.config.d_var - 1).unsqueeze(2)
        return functional.relu(1 - (clipped - self.model.counts).abs()).flatten(2)

    def _by_position(self, values: Tensor) -> Tensor:
        """As [seed, head, value, position, batch]."""
        sizes = (self.config.d_var, self.batch.length, self.batch.size)
        return values.view(self.seeds, -1, *sizes)

    def read_out(self, readout: Tensor) -> Tensor:
        """Logits [seed, label, place], neither pooled nor masked."""
        values = self.stream.length * self.config.d_var
        logits = self.stream.read_all(readout[..., :values], self.places)
        if not self.config.num_variables(self.config.n_layers):
            return logits
        return torch.baddbmm(logits, readout[..., values:], self.numbers)


def finished(config: TransformerProgramConfig, logits: Tensor, tokens: Tensor) -> Tensor:
    """Pool logits [seed, label, place], if the model does, and mask labels.

    ``tokens`` [batch, position]; pooled logits are the sum over the positions that the first one
    may attend to, divided by the context.
    """
    if config.pooled:
        counted = torch.ones_like(tokens.T, dtype=torch.bool)
        if config.pad_id is not None:
            counted = tokens.T.ne(config.pad_id)
        if config.causal:
            counted = counted & (torch.arange(len(counted), device=tokens.device) == 0).unsqueeze(1)
        places = logits.view(*logits.shape[:2], *counted.shape)
        logits = (places * counted).sum(2) / config.context
    if config.masked_labels:
        masked = [label in config.masked_labels for label in config.labels]
        mask = torch.tensor(masked, device=logits.device).view(1, -1, 1)
        logits = logits.masked_fill(mask, _MASKED)
    return logits
