"""The discretised models of many runs on integers: what is judged, and what the readout reads.

It is the definition of ``tpir.models.discrete`` for many models at once; a test compares the two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tpir.models.discrete import first_argmax
from tpir.training.gradient.attention import Nearness
from tpir.training.gradient.data import Data
from tpir.training.gradient.layout import Layout
from tpir.training.gradient.relaxed import finished
from tpir.training.problem import IGNORED

_CHUNK = 1 << 22
"""How many pairs of a query and a key are handled at once, over all seeds and heads."""


class DiscreteForward:
    """The choices that ``logits`` [seed, size] make, taken once; runs batches of token ids."""

    def __init__(self, layout: Layout, logits: Tensor) -> None:
        self.layout, self.config = layout, layout.config
        self.seeds, self.device = len(logits), logits.device
        parts = layout.split(logits.detach())
        self.chosen = {
            group.name: first_argmax(parts[group.name], group.axis + 1) for group in layout.groups
        }
        if self.config.predicates == "set" and "predicates" in parts:
            self.matched = (parts["predicates"] > 0).transpose(2, 3).contiguous()
        self.nearness = Nearness(self.config.context, self.config.context, self.device)

    def features(self, tokens: Tensor) -> Tensor:
        """What the readout reads, [seed, feature, position * batch], of ids [batch, position]."""
        ids, numbers = self.run(tokens)
        return one_hot(ids, numbers, self.config.d_var)

    def run(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Values and numbers, each [seed, variable, place], of token ids [batch, position].

        Places are positions times batch.
        """
        batch, length = tokens.shape
        words, device = tokens.T.reshape(1, 1, -1), tokens.device
        places = torch.arange(length, device=device).repeat_interleave(batch).view(1, 1, -1)
        ids = torch.cat([words, places], 1).expand(self.seeds, -1, -1)
        numbers = torch.ones(1, 1, length * batch, device=device)
        numbers = numbers.expand(self.seeds, self.config.n_vars_num, -1)
        for layer in range(self.config.n_layers):
            ids, numbers = self._attend(layer, ids, numbers, tokens.T)
            ids = self._look_up(layer, ids, numbers)
        return ids, numbers

    def _attend(
        self, layer: int, ids: Tensor, numbers: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        heads, n_cat = self.layout.heads, self.config.n_heads_cat
        if not heads:
            return ids, numbers
        read = _read(ids, self.chosen[f"reads.{layer}"])
        keys, queries, values = torch.split(read, [heads, heads, n_cat], dim=1)
        matches = self._matches(layer, keys, queries, tokens)
        if n_cat:
            positions = self._closest(matches[:, :n_cat])
            values = values.view(self.seeds, n_cat, *tokens.shape)
            ids = torch.cat([ids, values.gather(2, positions).flatten(2)], 1)
        if self.config.n_heads_num:
            summed = _read(numbers, self.chosen[f"sums.{layer}"])
            summed = summed.view(self.seeds, -1, 1, *tokens.shape)
            sums = (matches[:, n_cat:] * summed).sum(3)
            numbers = torch.cat([numbers, sums.flatten(2)], 1)
        return ids, numbers

    def _matches(self, layer: int, keys: Tensor, queries: Tensor, tokens: Tensor) -> Tensor:
        """Bool [seed, head, query, key, batch]."""
        heads, shape = self.layout.heads, (self.seeds, self.layout.heads, *tokens.shape)
        own = slice(layer * heads, (layer + 1) * heads)
        if self.config.predicates == "one":
            wanted = self.chosen["predicates"][:, own].gather(2, queries)
            # Small numbers are fast to compare.
            asked, offered = (ids.to(torch.int16).view(shape) for ids in (wanted, keys))
            matches = asked.unsqueeze(3) == offered.unsqueeze(2)
        else:
            matches = self._in_sets(self.matched[:, own], queries.view(shape), keys.view(shape))
        if self.config.pad_id is not None:
            matches &= tokens != self.config.pad_id
        if self.config.causal:
            matches &= matches.new_ones(len(tokens), len(tokens)).tril().unsqueeze(-1)
        return matches

    def _in_sets(self, sets: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
        """Whether ``sets`` [seed, head, query value, key value] hold each key for each query."""
        d_var = self.config.d_var
        head = torch.arange(sets.shape[0] * sets.shape[1], device=self.device)
        asked = (head.view(*sets.shape[:2], 1, 1) * d_var + queries) * d_var
        return sets.flatten()[asked.unsqueeze(3) + keys.unsqueeze(2)]

    def _closest(self, matches: Tensor) -> Tensor:
        """Positions [seed, head, query, batch]: the key preferred of those that match, else 0."""
        length = matches.shape[2]
        nearness = self.nearness
        if length != nearness.length:
            nearness = Nearness(length, self.config.context, self.device)
        order = nearness.ranked.view(length, length).T % length
        ranks = order.argsort(1)
        codes = ((length - ranks).unsqueeze(-1) * matches).amax(3)
        position = torch.cat([torch.zeros_like(order[:, :1]), order.flip(1)], 1)
        rows = torch.arange(length, device=self.device).view(-1, 1) * (length + 1)
        return position.flatten()[codes + rows]

    def _look_up(self, layer: int, ids: Tensor, numbers: Tensor) -> Tensor:
        inputs, d_var = [], self.config.d_var
        if self.config.n_cat_mlps:
            inputs.append(_read(ids, self.chosen[f"cat_inputs.{layer}"]))
        if self.config.n_num_mlps:
            read = _read(numbers, self.chosen[f"num_inputs.{layer}"])
            inputs.append(read.clamp(0, d_var - 1).long())
        if not inputs:
            return ids
        count = self.layout.mlps
        values = torch.cat(inputs, 1).view(self.seeds, count, self.config.mlp_inputs, -1)
        rows = values[:, :, 0]
        for i in range(1, self.config.mlp_inputs):
            rows = rows * d_var + values[:, :, i]
        tables = self.chosen["tables"][:, layer * count : (layer + 1) * count]
        return torch.cat([ids, tables.gather(2, rows)], 1)

    @torch.no_grad()
    def predict(self, readout: Tensor, tokens: Tensor) -> Tensor:
        """Labels [seed, batch, position or 1 if pooled] of token ids [batch, position]."""
        found = []
        for chunk in torch.split(tokens, self.batch_size(tokens.shape[1])):
            logits = torch.bmm(readout, self.features(chunk))
            best = first_argmax(finished(self.config, logits, chunk), 1)
            found.append(best.view(self.seeds, -1, len(chunk)).transpose(1, 2))
        return torch.cat(found, 1)

    def batch_size(self, length: int) -> int:
        """How many inputs of ``length`` positions to run at once."""
        return max(16, _CHUNK // (self.seeds * max(self.layout.heads, 1) * length * length))


def certain(layout: Layout, logits: Tensor) -> Tensor:
    """The choices that ``logits`` [seed, size] make as soft ones that are certain, joined."""
    parts = layout.split(logits.detach())
    found = {}
    for group in layout.groups:
        part, axis = parts[group.name], group.axis + 1
        if group.name == "predicates" and layout.config.predicates == "set":
            found[group.name] = (part > 0).float()
        else:
            chosen = first_argmax(part, axis).unsqueeze(axis)
            found[group.name] = torch.zeros_like(part).scatter_(axis, chosen, 1.0)
    return layout.joined(found)


def _read(variables: Tensor, chosen: Tensor) -> Tensor:
    """Of variables [seed, variable, place] those ``chosen`` [seed, reader]."""
    return variables.gather(1, chosen.unsqueeze(-1).expand(-1, -1, variables.shape[2]))


def one_hot(ids: Tensor, numbers: Tensor, d_var: int) -> Tensor:
    """Values [seed, variable, place] as weights of each value, and the numbers behind them."""
    seeds, variables, places = ids.shape
    values = numbers.new_zeros(seeds, variables, d_var, places)
    values.scatter_(2, ids.unsqueeze(2).long(), 1.0)
    return torch.cat([values.flatten(1, 2), numbers], 1)


def mean_accuracies(predicted: Tensor, data: Data) -> Tensor:
    """For each seed the accuracy at each length, averaged over lengths: [seed], 0 to 1."""
    counted = data.targets != IGNORED
    right = ((predicted == data.targets) & counted).sum(2).double()
    lengths = torch.zeros(int(data.lengths.max()) + 1, dtype=torch.double, device=right.device)
    labels = lengths.index_add(0, data.lengths, counted.sum(1).double())
    correct = lengths.expand(len(right), -1).clone().index_add_(1, data.lengths, right)
    present = labels > 0
    return (correct[:, present] / labels[present]).mean(1).cpu()
