"""A model's choices in a larger one: its heads, MLPs and readout at the start of every seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tpir.backends.transformer_program import choice_logit
from tpir.errors import TpirError
from tpir.models.block import Block
from tpir.models.config import TransformerProgramConfig
from tpir.models.discrete import DiscreteProgram, first_argmax
from tpir.models.stored import Checkpoint
from tpir.training.gradient.discrete import DiscreteForward
from tpir.training.gradient.layout import Layout


@dataclass(frozen=True)
class Planted:
    """What every seed starts with.

    ``logits`` [size] are those of planted choices where ``held`` [size], 0 elsewhere. ``readout``
    [label, feature] are the weights of all labels; None leaves them random. ``variables`` and
    ``numbers`` pair the places of planted variables in the small model and in the large one.
    """

    logits: Tensor
    held: Tensor
    readout: Tensor | None
    variables: tuple[tuple[int, int], ...]
    numbers: tuple[tuple[int, int], ...]


def widened(
    config: TransformerProgramConfig, small: TransformerProgramConfig
) -> TransformerProgramConfig:
    """``config`` with room for all that ``small`` has.

    Raises TpirError for what no batched model holds, and where the two take different inputs.
    """
    if small.conjuncts > 1:
        raise TpirError(
            "the program has a head of several predicates (an `and` of selectors), "
            "and heads that train have one"
        )
    if not small.one_hot_embed or not small.count_only or small.n_vars_num > 1:
        raise TpirError("the program needs an embedding of its own; here tokens are embedded")
    if small.attention == "score" or small.mlps != "table":
        raise TpirError("what is planted has predicates, and MLPs that are tables")
    for name in ("vocabulary", "labels", "context", "causal", "pooled"):
        if getattr(config, name) != getattr(small, name):
            raise TpirError(f"what is planted was not made for this problem: its {name} differs")
    sizes = (
        "d_var",
        "n_layers",
        "n_heads_cat",
        "n_heads_num",
        "n_cat_mlps",
        "n_num_mlps",
        "mlp_inputs",
    )
    most = {name: max(getattr(config, name), getattr(small, name)) for name in sizes}
    kinds = {config.predicates, small.predicates}
    return replace(config, **most, predicates="set" if "set" in kinds else "one")


def plant(start: Checkpoint, layout: Layout, softness: float) -> Planted:
    """The choices of ``start`` in the model of ``layout``, which is at least as large.

    What ``start`` prefers nothing in, because nothing reads it, is left to chance; a readout of
    zeros is left out. ``softness`` is the temperature, or the scale of the noise if that is
    greater, at which the choices have to hold.
    """
    return _Planter(start, layout, choice_logit(layout.config) * max(1.0, softness)).run()


class _Planter:
    def __init__(self, start: Checkpoint, layout: Layout, gap: float) -> None:
        self.small, self.config, self.layout = start.config, layout.config, layout
        self.state = {name: tensor.float() for name, tensor in start.state.items()}
        self.gap = gap
        self.logits = torch.zeros(1, layout.size)
        self.held = torch.zeros(1, layout.size)
        self.parts, self.marks = layout.split(self.logits), layout.split(self.held)
        self.cat, self.num = self._places()
        self.variables = [(0, 0), (1, 1)]
        self.numbers = [(0, 0)]

    def run(self) -> Planted:
        for layer in range(self.small.n_layers):
            self._heads(layer, "cat")
            self._heads(layer, "num")
            self._mlps(layer, "cat")
            self._mlps(layer, "num")
        return Planted(
            logits=self.logits[0],
            held=self.held[0] > 0,
            readout=self._readout(),
            variables=tuple(self.variables),
            numbers=tuple(self.numbers),
        )

    def _places(self) -> tuple[Tensor, Tensor]:
        """Where each variable of the small model stands in the large one."""
        small, large = self.small, self.config
        cat, num = [0, 1], [0]
        for layer in range(small.n_layers):
            start = large.cat_variables(layer)
            for own, room in (
                (small.n_heads_cat, large.n_heads_cat),
                (small.n_cat_mlps, large.n_cat_mlps),
                (small.n_num_mlps, large.n_num_mlps),
            ):
                cat += range(start, start + own)
                start += room
            first = large.num_variables(layer)
            num += range(first, first + small.n_heads_num)
        return torch.tensor(cat), torch.tensor(num)

    def _read(self, group: str, row: int, logits: Tensor, places: Tensor) -> bool:
        """Have reader ``row`` of a group read what ``logits`` prefer, if they prefer anything."""
        if bool((logits == logits[0]).all()):
            return False
        chosen = int(places[int(first_argmax(logits, 0))])
        self.parts[group][0, row] = -self.gap / 2
        self.parts[group][0, row, chosen] = self.gap / 2
        self.marks[group][0, row] = 1
        return True

    def _heads(self, layer: int, kind: str) -> None:
        prefix, numerical = f"blocks.{layer}.{kind}_attn", kind == "num"
        count = self.small.n_heads_num if numerical else self.small.n_heads_cat
        heads, n_cat = self.layout.heads, self.config.n_heads_cat
        for head in range(count):
            row = head + n_cat if numerical else head
            matrix = [self.state[f"{prefix}.{name}.W"][head] for name in ("W_K", "W_Q", "W_V")]
            self._read(f"reads.{layer}", row, matrix[0], self.cat)
            self._read(f"reads.{layer}", heads + row, matrix[1], self.cat)
            if numerical:
                self._read(f"sums.{layer}", head, matrix[2], self.num)
            else:
                self._read(f"reads.{layer}", 2 * heads + head, matrix[2], self.cat)
            relation = self.state[f"{prefix}.W_pred.W"][head]
            if bool((relation == 0).all()):
                continue  # nothing reads this head
            self._relation(layer * heads + row, relation)
            if numerical:
                before = self.small.num_variables(layer) + head
                self.numbers.append((before, int(self.num[before])))
            else:
                before = self.small.cat_variables(layer) + head
                self.variables.append((before, int(self.cat[before])))

    def _relation(self, row: int, relation: Tensor) -> None:
        """Plant ``relation`` [query value, key value] as one key value each, or as sets."""
        d_var = self.small.d_var
        large, marks = self.parts["predicates"][0, row].T, self.marks["predicates"][0, row].T
        if self.small.predicates == "set":
            decided = relation != 0
            wanted = relation.sign() * self.gap
        else:
            decided = (relation != relation[:, :1]).any(1, keepdim=True).expand_as(relation)
            wanted = torch.full_like(relation, -self.gap / 2)
            wanted.scatter_(1, first_argmax(relation, 1).unsqueeze(1), self.gap / 2)
            if self.config.predicates == "set":
                wanted = 2 * wanted
        large[:d_var, :d_var][decided] = wanted[decided]
        marks[:d_var, :d_var][decided] = 1
        if self.config.predicates == "one":  # key values that only the large model has
            large[:d_var, d_var:][decided[:, 0]] = -self.gap / 2
            marks[:d_var, d_var:][decided[:, 0]] = 1

    def _mlps(self, layer: int, kind: str) -> None:
        numerical, inputs = kind == "num", self.small.mlp_inputs
        count = self.small.n_num_mlps if numerical else self.small.n_cat_mlps
        before = self.small.n_cat_mlps if numerical else 0
        first = self.config.n_cat_mlps if numerical else 0
        places = self.num if numerical else self.cat
        for k in range(count):
            prefix = f"blocks.{layer}.{kind}_mlp.mlps.{k}"
            for i, logits in enumerate(self.state[f"{prefix}.W_read.W"]):
                row = k * self.config.mlp_inputs + i
                self._read(f"{kind}_inputs.{layer}", row, logits, places)
            table = self.state[f"{prefix}.W_table"].view(*[self.small.d_var] * inputs, -1)
            decided = (table != table[..., :1]).any(-1)
            if not bool(decided.any()):
                continue  # nothing reads this MLP
            row = layer * self.layout.mlps + first + k
            self._table(row, first_argmax(table, inputs), decided, numerical)
            offset = self.small.cat_variables(layer) + self.small.n_heads_cat + before + k
            self.variables.append((offset, int(self.cat[offset])))

    def _table(self, row: int, chosen: Tensor, decided: Tensor, numerical: bool) -> None:
        """Plant results ``chosen``, an axis for each input; further inputs change nothing."""
        small, large, inputs = self.small.d_var, self.config.d_var, self.small.mlp_inputs
        if numerical:  # numbers beyond the table read its last row
            last = torch.arange(large).clamp(max=small - 1)
            for axis in range(inputs):
                chosen, decided = (t.index_select(axis, last) for t in (chosen, decided))
        more = [1] * (self.config.mlp_inputs - inputs)
        sizes = [*chosen.shape, *[large] * len(more)]
        chosen, decided = (t.view(*t.shape, *more).expand(sizes) for t in (chosen, decided))
        whole = torch.zeros([large] * self.config.mlp_inputs, dtype=torch.bool)
        results = torch.zeros(whole.shape, dtype=torch.long)
        corner = tuple(slice(size) for size in sizes)
        whole[corner], results[corner] = decided, chosen
        rows = whole.flatten().nonzero().flatten()
        table = self.parts["tables"][0, row]
        table[:, rows] = -self.gap / 2
        table[results.flatten()[rows], rows] = self.gap / 2
        self.marks["tables"][0, row][:, rows] = 1

    def _readout(self) -> Tensor | None:
        weights = self.state["unembed.W_U"]
        if not bool(weights.any()):
            return None
        small, large = self.small, self.config
        values = self.cat.unsqueeze(1) * large.d_var + torch.arange(small.d_var)
        first = large.cat_variables(large.n_layers) * large.d_var
        features = torch.cat([values.flatten(), first + self.num[: len(weights)]])
        found = torch.zeros(len(large.labels), self.layout.features)
        found[:, features[: len(weights)]] = weights.T
        return found


def check_planted(planted: Planted, start: Checkpoint, layout: Layout, tokens: Tensor) -> None:
    """Raise TpirError unless planted variables are those of ``start`` on ``tokens``.

    They are not where a head of ``start`` prefers another than the nearest key, and it matters.
    """
    small, model = _discrete(start), DiscreteForward(layout, planted.logits[None])
    for chunk in torch.split(tokens.cpu(), model.batch_size(tokens.shape[1])):
        ids, numbers = (part[0].view(-1, chunk.shape[1], len(chunk)) for part in model.run(chunk))
        expected = small.run(chunk)
        present = chunk.T.ne(0)  # padding comes first in a problem's vocabulary
        for found, wanted, pairs in (
            (ids, expected.ids, planted.variables),
            (numbers, expected.numbers, planted.numbers),
        ):
            for before, after in pairs:
                differs = found[after].double() != wanted[before].double()
                if bool((differs & present).any()):
                    raise TpirError(
                        "a head of the program takes the first or last of several keys that "
                        "match, and heads that train take the nearest"
                    )


def _discrete(start: Checkpoint) -> DiscreteProgram:
    model = start.model()
    blocks = [block for block in model.blocks if isinstance(block, Block)]
    return DiscreteProgram(start.config, model.embed, model.num_embed, blocks)


def digest(start: Checkpoint) -> str:
    """A digest of what is planted."""
    found = hashlib.sha256(start.config.to_json().encode())
    for name in sorted(start.state):
        found.update(name.encode() + start.state[name].contiguous().numpy().tobytes())
    return found.hexdigest()
