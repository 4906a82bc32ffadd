"""The discretised model on integers: every choice is an argmax, every variable an index.

Arrays run [variable or head, position, batch]: the batch, the long axis, is contiguous, so that
even short sequences fill vector registers. Nothing here is differentiable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tpir.models.attention import CategoricalHeads, NumericalHeads
from tpir.models.block import Block
from tpir.models.config import TransformerProgramConfig
from tpir.models.embedding import NumberEmbedding, TokenEmbedding
from tpir.models.mlp import MlpGroup

_TABLE_ROWS = 65536
"""An MLP over more combinations of values than this is computed for each input, not tabulated."""

_WORD = 64
"""How many key values the bits of one integer stand for."""

_CHUNK = 1 << 18
"""How many key-query pairs or hidden units one step handles: about what a core's cache holds."""


class Residual(NamedTuple):
    """The final residual stream: ``ids`` and ``numbers``, each [variable, position, batch]."""

    ids: Tensor
    numbers: Tensor


def first_argmax(logits: Tensor, dim: int) -> Tensor:
    """The index of the greatest entry over ``dim``, of equal ones the first."""
    return logits.max(dim).indices


def _index_type(largest: int) -> torch.dtype:
    """The smallest type that holds ``largest``: comparing bytes is what makes matching fast."""
    if largest <= torch.iinfo(torch.uint8).max:
        return torch.uint8
    return torch.int16 if largest <= torch.iinfo(torch.int16).max else torch.int32


def _look_up(table: Tensor, ids: Tensor) -> Tensor:
    """``table[i, ids[i, ...]]`` for table [row, value] and ids [row, ...]."""
    rows = torch.arange(len(table), device=ids.device).view(-1, *[1] * (ids.dim() - 1))
    return table.flatten().index_select(0, (ids + rows * table.shape[1]).flatten()).view(ids.shape)


class OneKeyPredicates:
    """For each head and query value the one key value that matches, and who reads keys and queries.

    Padding gets values that match nothing: ``d_var`` as a key, ``d_var + 1`` as a query.
    """

    def __init__(self, heads: Sequence[CategoricalHeads | NumericalHeads], d_var: int) -> None:
        self.d_var = d_var
        self.keys = torch.cat([first_argmax(h.W_K.W, 1) for h in heads])
        self.queries = torch.cat([first_argmax(h.W_Q.W, 1) for h in heads])
        wanted = torch.cat([first_argmax(h.W_pred.W, 2) for h in heads])
        self.wanted = wanted.to(_index_type(d_var + 1))

    def matches(self, ids: Tensor, padding: Tensor | None) -> Tensor:
        """Bool [head, query, key, batch]."""
        keys = ids.index_select(0, self.keys)
        wanted = _look_up(self.wanted, ids.index_select(0, self.queries))
        if padding is not None:
            keys.masked_fill_(padding, self.d_var)
            wanted.masked_fill_(padding, self.d_var + 1)
        return keys.unsqueeze(1) == wanted.unsqueeze(2)


class SetPredicates:
    """Heads of which each query value matches a set of key values, in each of their conjuncts.

    Conjuncts are looked up one after the other. Those that are true everywhere cost nothing: the
    first of each head is one that is not, and later ones are looked up for the heads that have any.
    """

    def __init__(
        self, heads: Sequence[CategoricalHeads | NumericalHeads], d_var: int, conjuncts: int = 1
    ) -> None:
        keys = torch.cat([first_argmax(h.W_K.W, 1) for h in heads])
        queries = torch.cat([first_argmax(h.W_Q.W, 1) for h in heads])
        matched = torch.cat([h.W_pred.W > 0 for h in heads])
        limits = ~matched.flatten(1).all(1).view(-1, conjuncts)
        places = torch.arange(len(keys), device=keys.device).view(-1, conjuncts)
        places = places.gather(1, limits.int().argsort(dim=1, descending=True, stable=True))
        self.steps: list[tuple[Tensor, _Sets]] = []
        for k in range(conjuncts):
            having = limits.sum(1) > k if k else torch.ones_like(limits[:, 0])
            of = having.nonzero().flatten()
            if len(of):
                own = places[of, k]
                self.steps.append((of, _Sets(keys[own], queries[own], matched[own], d_var)))

    def matches(self, ids: Tensor, padding: Tensor | None) -> Tensor:
        """Bool [head, query, key, batch]."""
        (_, first), *later = self.steps
        found = first.matches(ids, padding)
        for heads, sets in later:
            also = sets.matches(ids, padding)
            if len(also) == len(found):
                found &= also
            else:
                found[heads] &= also
        return found


class _Sets:
    """For each predicate and query value a set of key values, as bits of a few integers.

    ``wanted`` [word, predicate, query value] holds the sets, ``bits`` [word, key value] the key
    values: a key matches where the two share a bit. Padding, the last value of each, has none.
    """

    def __init__(self, keys: Tensor, queries: Tensor, matched: Tensor, d_var: int) -> None:
        self.keys, self.queries, self.d_var = keys, queries, d_var
        values = torch.arange(d_var, device=matched.device)
        bits = torch.ones_like(values) << values % _WORD
        words = [values // _WORD == word for word in range(-(-d_var // _WORD))]
        self.bits = _padded(torch.stack([bits * own for own in words]), d_var)
        self.wanted = _padded(torch.stack([(matched * bits * own).sum(2) for own in words]), d_var)

    def matches(self, ids: Tensor, padding: Tensor | None) -> Tensor:
        """Bool [predicate, query, key, batch]."""
        keys, queries = ids.index_select(0, self.keys), ids.index_select(0, self.queries)
        if padding is not None:
            keys.masked_fill_(padding, self.d_var)
            queries.masked_fill_(padding, self.d_var)
        found: Tensor | None = None
        for bits, wanted in zip(self.bits, self.wanted, strict=True):
            bit = bits.index_select(0, keys.flatten().int()).view(keys.shape)
            shared = (_look_up(wanted, queries).unsqueeze(2) & bit.unsqueeze(1)).ne(0)
            found = shared if found is None else found | shared
        assert found is not None
        return found


def _padded(words: Tensor, d_var: int) -> Tensor:
    """``words`` [..., value] and an empty one, in the smallest type that has ``d_var`` bits."""
    small = {8: torch.uint8, 16: torch.int16, 32: torch.int32}
    kind = next((found for bits, found in small.items() if d_var <= bits), torch.int64)
    return functional.pad(words, (0, 1)).to(kind)


class Nearest:
    """Of the keys that match, the one that ranks first; of none, the first position.

    ``codes`` [head, query, key, 1] number the keys from the last choice up, 0 for keys that lie
    ahead; ``positions`` [head * query, code] invert them. They rank float32 logits, ties to the
    left.
    """

    def __init__(self, heads: CategoricalHeads, causal: bool) -> None:
        order = heads.ranking_logits().sort(dim=-1, descending=True, stable=True).indices
        n_heads, context, _ = order.shape
        places = order.argsort(-1)
        codes = context - places
        if causal:
            codes = codes.tril()
        self.codes = codes.to(_index_type(context)).unsqueeze(-1)
        positions = torch.cat([torch.zeros_like(order[..., :1]), order.flip(-1)], -1)
        self.positions = positions.view(n_heads, context, context + 1)

    def choose(self, matches: Tensor) -> Tensor:
        """Positions [head, query, batch] from ``matches`` [head, query, key, batch]."""
        length = matches.shape[1]
        codes = self.codes[:, :length, :length]
        flags = matches.view(torch.uint8) if codes.dtype == torch.uint8 else matches.to(codes.dtype)
        best = (flags * codes).amax(2)
        positions = self.positions[:, :length].flatten(0, 1)
        return _look_up(positions, best.flatten(0, 1)).view(best.shape)


class BestScore:
    """Score attention: of all permitted keys the one with the best score, ties to the left.

    ``codes`` [head, (d_var + 1)²] rank the float32 logits of one query value, times the context,
    so that the position can break ties; 0 stands for padding, on either side.
    """

    def __init__(self, heads: CategoricalHeads, config: TransformerProgramConfig) -> None:
        logits, n_heads = heads.score_logits(), config.n_heads_cat
        self.keys, self.queries = first_argmax(heads.W_K.W, 1), first_argmax(heads.W_Q.W, 1)
        self.width, self.context, self.causal = config.d_var + 1, config.context, config.causal
        ranked = logits.sort(-1)
        steps = (ranked.values.diff(dim=-1) > 0).int().cumsum(-1)
        ranks = torch.cat([torch.zeros_like(ranked.indices[..., :1]), steps], -1) + 1
        codes = torch.zeros(n_heads, self.width, self.width, dtype=torch.int32, device=ranks.device)
        codes[:, :-1, :-1] = torch.zeros_like(ranks).scatter(-1, ranked.indices, ranks)
        self.codes = (codes * config.context).flatten(1)

    def choose(self, ids: Tensor, padding: Tensor | None) -> Tensor:
        """Positions [head, query, batch]."""
        keys, queries = ids.index_select(0, self.keys), ids.index_select(0, self.queries)
        if padding is not None:
            keys.masked_fill_(padding, self.width - 1)
            queries.masked_fill_(padding, self.width - 1)
        pairs = queries.long().unsqueeze(2) * self.width + keys.unsqueeze(1)
        codes = _look_up(self.codes, pairs)
        length = ids.shape[1]
        positions = torch.arange(length, device=ids.device, dtype=torch.int32)
        if self.causal:
            codes *= (positions <= positions.unsqueeze(1)).unsqueeze(-1)
        best = (codes + (length - 1 - positions).unsqueeze(-1)).amax(2)
        return length - 1 - best.long() % self.context


class Tables:
    """Rows of tables by the values of their inputs, the first input slowest."""

    def __init__(self, table: Tensor, d_var: int, inputs: int) -> None:
        self.table, self.d_var, self.inputs = table.to(_index_type(d_var)), d_var, inputs

    def look_up(self, values: Tensor) -> Tensor:
        """Results [mlp, n] for whole numbers ``values`` [mlp, input, n] below ``d_var``."""
        combination = values[:, 0].long()
        for k in range(1, self.inputs):
            combination = combination * self.d_var + values[:, k]
        return _look_up(self.table, combination)


class TableMlps:
    """MLPs that are tables, of values or of numbers."""

    def __init__(self, group: MlpGroup, d_var: int) -> None:
        read = first_argmax(group.stacked("W_read.W"), 2)
        self.n_mlps, self.inputs = read.shape
        self.read, self.d_var = read.flatten(), d_var
        self.tables = Tables(first_argmax(group.stacked("W_table"), 2), d_var, self.inputs)

    def choose(self, variables: Tensor) -> Tensor:
        """New variables [mlp, position, batch]; numbers beyond a table read its nearest row."""
        inputs = variables.index_select(0, self.read)
        if inputs.is_floating_point():
            inputs = inputs.round_().clamp_(0, self.d_var - 1).long()
        chosen = self.tables.look_up(inputs.view(self.n_mlps, self.inputs, -1))
        return chosen.view(self.n_mlps, *variables.shape[1:])


class ValueMlps:
    """Categorical MLPs with hidden units, tabulated where that is not too large."""

    def __init__(self, group: MlpGroup, d_var: int) -> None:
        read = first_argmax(group.stacked("W_read.W"), 2)
        self.n_mlps, self.inputs = read.shape
        self.read, self.d_var = read.flatten(), d_var
        weights = group.stacked("W_in").view(self.n_mlps, -1, self.inputs, d_var)
        # [mlp, input, value, hidden]: what each value of each input adds to the hidden units.
        self.added = weights.permute(0, 2, 3, 1).flatten(0, 2)
        self.b_in, self.W_out = group.stacked("b_in").unsqueeze(1), group.stacked("W_out")
        self.b_out = group.stacked("b_out").unsqueeze(2)
        self.tables: Tables | None = None
        if d_var**self.inputs <= _TABLE_ROWS:
            values = torch.arange(d_var, device=read.device)
            rows = torch.cartesian_prod(*[values] * self.inputs).view(-1, self.inputs).T
            chosen = self._compute(rows.unsqueeze(0).expand(self.n_mlps, -1, -1))
            self.tables = Tables(chosen, d_var, self.inputs)

    def _compute(self, values: Tensor) -> Tensor:
        """Choices [mlp, n] for input values [mlp, input, n]."""
        rows = torch.arange(self.n_mlps * self.inputs, device=values.device) * self.d_var
        index = values + rows.view(self.n_mlps, self.inputs, 1)
        added = self.added.index_select(0, index.flatten()).view(*index.shape, -1).sum(1)
        hidden = torch.relu(added + self.b_in)
        return first_argmax(self.W_out @ hidden.transpose(1, 2) + self.b_out, 1)

    def choose(self, ids: Tensor) -> Tensor:
        """New variables [mlp, position, batch]."""
        values = ids.index_select(0, self.read).view(self.n_mlps, self.inputs, -1)
        if self.tables is None:
            chosen = self._compute(values.long())
        else:
            chosen = self.tables.look_up(values)
        return chosen.view(self.n_mlps, *ids.shape[1:])


class NumberMlps:
    """Numerical MLPs with hidden units: a ReLU network of a few numbers, and an argmax."""

    def __init__(self, group: MlpGroup, d_var: int) -> None:
        read = first_argmax(group.stacked("W_read.W"), 2)
        self.n_mlps, self.inputs = read.shape
        self.read = read.flatten()
        self.W_in, self.b_in = group.stacked("W_in"), group.stacked("b_in").unsqueeze(2)
        self.W_out, self.b_out = group.stacked("W_out"), group.stacked("b_out").unsqueeze(2)

    def choose(self, numbers: Tensor) -> Tensor:
        """New variables [mlp, position, batch]."""
        inputs = numbers.index_select(0, self.read).view(self.n_mlps, self.inputs, -1)
        hidden = torch.baddbmm(self.b_in, self.W_in, inputs).relu_()
        logits = torch.baddbmm(self.b_out, self.W_out, hidden)
        return first_argmax(logits, 1).view(self.n_mlps, *numbers.shape[1:])


class DiscreteLayer:
    """The choices of one block."""

    def __init__(self, block: Block, config: TransformerProgramConfig, integral: bool) -> None:
        cat, num = block.cat_attn, block.num_attn
        self.n_cat, self.n_num = config.n_heads_cat, config.n_heads_num
        self.causal, self.integral = config.causal, integral
        scored = config.attention == "score" and self.n_cat > 0
        self.best_score = BestScore(cat, config) if scored else None
        self.nearest = Nearest(cat, config.causal) if self.n_cat and not scored else None
        heads = ([cat] if self.nearest is not None else []) + ([num] if num is not None else [])
        self.predicates: OneKeyPredicates | SetPredicates | None = None
        if heads and config.predicates == "set":
            self.predicates = SetPredicates(heads, config.d_var, config.conjuncts)
        elif heads:
            self.predicates = OneKeyPredicates(heads, config.d_var)
        self.copied = first_argmax(cat.W_V.W, 1)
        self.summed = first_argmax(num.W_V.W, 1) if num is not None else None
        of_values, of_numbers = (
            (TableMlps, TableMlps) if config.mlps == "table" else (ValueMlps, NumberMlps)
        )
        self.cat_mlps = of_values(block.cat_mlp, config.d_var) if config.n_cat_mlps else None
        self.num_mlps = of_numbers(block.num_mlp, config.d_var) if config.n_num_mlps else None

    def run(self, stream: _Stream) -> None:
        """Append this layer's variables to ``stream``."""
        ids, numbers = stream.ids(), stream.numbers()
        matches = None
        if self.predicates is not None:
            matches = self.predicates.matches(ids, stream.padding)
        positions = None
        if self.nearest is not None and matches is not None:
            positions = self.nearest.choose(matches[: self.n_cat])
        if self.best_score is not None:
            positions = self.best_score.choose(ids, stream.padding)
        if positions is not None:
            stream.add_ids(ids.index_select(0, self.copied).gather(1, positions))
        if self.summed is not None and matches is not None:
            values = numbers.index_select(0, self.summed)
            stream.add_numbers(self._sum(matches[-self.n_num :], values))
        ids, numbers = stream.ids(), stream.numbers()
        if self.cat_mlps is not None:
            stream.add_ids(self.cat_mlps.choose(ids))
        if self.num_mlps is not None:
            stream.add_ids(self.num_mlps.choose(numbers))

    def _sum(self, matches: Tensor, values: Tensor) -> Tensor:
        """Sums [head, query, batch] of ``values`` [head, key, batch] over the matching keys."""
        if self.causal:
            length = matches.shape[1]
            past = torch.ones(length, length, dtype=torch.bool, device=matches.device).tril()
            matches = matches & past.unsqueeze(-1)
        terms = matches * values.unsqueeze(1)
        # Rounding depends on the order: real numbers are summed from left to right.
        return terms.sum(2) if self.integral else terms.cumsum(2)[:, :, -1]


class _Stream:
    """The residual stream while it grows, in arrays allocated once."""

    def __init__(self, ids: Tensor, numbers: Tensor, padding: Tensor | None) -> None:
        self._ids, self._numbers, self.padding = ids, numbers, padding
        self._n_ids = self._n_numbers = 0

    def ids(self) -> Tensor:
        return self._ids[: self._n_ids]

    def numbers(self) -> Tensor:
        return self._numbers[: self._n_numbers]

    def add_ids(self, new: Tensor) -> None:
        self._ids[self._n_ids : self._n_ids + len(new)] = new
        self._n_ids += len(new)

    def add_numbers(self, new: Tensor) -> None:
        self._numbers[self._n_numbers : self._n_numbers + len(new)] = new
        self._n_numbers += len(new)


class DiscreteProgram:
    """All choices of a model, taken once; runs batches of token indices."""

    def __init__(
        self,
        config: TransformerProgramConfig,
        embed: TokenEmbedding,
        num_embed: NumberEmbedding,
        blocks: Sequence[Block],
    ) -> None:
        with torch.no_grad():
            self.id_type = _index_type(config.d_var + 1)
            self.words = first_argmax(embed.logits(), 1).to(self.id_type)
            self.word_numbers = num_embed.W_E.T.contiguous()
            integral = bool((self.word_numbers == self.word_numbers.round()).all())
            self.layers = [DiscreteLayer(block, config, integral) for block in blocks]
        self.pad_id = config.pad_id
        self.n_ids = config.cat_variables(config.n_layers)
        self.n_numbers = config.num_variables(config.n_layers)
        self._heads = max(config.n_heads_cat + config.n_heads_num, 1)
        self._hidden = config.d_mlp * max(config.n_num_mlps, 1) if config.mlps == "relu" else 1

    def batch_size(self, length: int) -> int:
        """How many sequences of ``length`` positions to run at once."""
        widest = max(self._heads * length * length, self._hidden * length)
        return max(64, _CHUNK // widest)

    @torch.no_grad()
    def run(self, tokens: Tensor) -> Residual:
        """All variables for ``tokens`` [batch, position], padded at the end."""
        tokens = tokens.T.contiguous()
        length, batch = tokens.shape
        shape, device = (length, batch), tokens.device
        padding = tokens == self.pad_id if self.pad_id is not None else None
        if padding is not None and not padding.any():
            padding = None
        ids = torch.empty(self.n_ids, *shape, dtype=self.id_type, device=device)
        numbers = torch.empty(self.n_numbers, *shape, dtype=self.word_numbers.dtype, device=device)
        stream = _Stream(ids, numbers, padding)
        flat = tokens.flatten()
        stream.add_ids(self.words.index_select(1, flat).view(-1, *shape))
        stream.add_ids(torch.arange(length, device=device).view(1, -1, 1).expand(1, *shape))
        stream.add_numbers(self.word_numbers.index_select(1, flat).view(-1, *shape))
        for layer in self.layers:
            layer.run(stream)
        return Residual(ids, numbers)
