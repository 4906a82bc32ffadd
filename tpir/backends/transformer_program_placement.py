"""Which part of a Transformer Program each node becomes: layers, variables, places of values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tpir.backends.transformer_program_legal import is_of_word, reads_numbers
from tpir.backends.transformer_program_places import (
    copied_places,
    lacks_spare,
    narrowed_places,
    own_places,
    result_places,
)
from tpir.backends.transformer_program_refusal import refusal
from tpir.errors import TpirError
from tpir.ir.functions import NumberWeights, Table
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Node, Program
from tpir.ir.values import show_value
from tpir.models.config import PAD, Mlps, Predicates


@dataclass(frozen=True)
class Unit:
    """A node at one place of the model; a readout may need several copies of one node."""

    node: Node
    copy: int = 0


@dataclass(frozen=True)
class Layer:
    """What one layer computes, before fillers make all layers alike."""

    heads_cat: list[Unit] = field(default_factory=list)
    heads_num: list[Unit] = field(default_factory=list)
    mlps_cat: list[Unit] = field(default_factory=list)
    mlps_num: list[Unit] = field(default_factory=list)

    @property
    def groups(self) -> tuple[list[Unit], list[Unit], list[Unit], list[Unit]]:
        """Categorical and numerical heads, categorical and numerical MLPs."""
        return self.heads_cat, self.heads_num, self.mlps_cat, self.mlps_num


@dataclass(frozen=True)
class Placement:
    """Where everything of a program goes.

    ``words`` are the variables that the token embedding gives: the tokens themselves if
    ``one_hot``. ``numbers`` are those of the numerical embedding, None being the constant 1.
    ``places`` says where each value of a node's type stands in its one-hot vector of ``d_var``;
    values that nothing tells apart may stand in one place.
    """

    readout: Node
    vocabulary: tuple[str, ...]
    one_hot: bool
    words: list[Unit]
    numbers: list[Unit | None]
    layers: list[Layer]
    places: Mapping[Node, tuple[int, ...]]
    d_var: int

    @cached_property
    def counts(self) -> tuple[int, int, int, int]:
        """Categorical and numerical heads, categorical and numerical MLPs of each layer."""
        most = [max((len(la.groups[k]) for la in self.layers), default=0) for k in range(4)]
        return most[0], most[1], most[2], most[3]

    @cached_property
    def categorical(self) -> dict[Unit, int]:
        """The number of each categorical variable in the residual stream."""
        heads, _, mlps_cat, mlps_num = self.counts
        found = {unit: k for k, unit in enumerate(self.words)}
        start = max(1, len(self.words))
        found |= {Unit(node): start for node in self.places if isinstance(node.op, Indices)}
        start += 1
        for layer in self.layers:
            for units, width in (
                (layer.heads_cat, heads),
                (layer.mlps_cat, mlps_cat),
                (layer.mlps_num, mlps_num),
            ):
                found |= {unit: start + k for k, unit in enumerate(units)}
                start += width
        return found

    @cached_property
    def numerical(self) -> dict[Unit | None, int]:
        """The number of each numerical variable; None is the constant 1."""
        found: dict[Unit | None, int] = {unit: k for k, unit in enumerate(self.numbers)}
        start = len(self.numbers)
        for layer in self.layers:
            found |= {unit: start + k for k, unit in enumerate(layer.heads_num)}
            start += self.counts[1]
        return found

    @property
    def units(self) -> Sequence[Unit]:
        """Everything that layers compute."""
        return [unit for layer in self.layers for group in layer.groups for unit in group]


def place(
    program: Program, predicates: Predicates, mlps: Mlps, *, narrow: bool = False
) -> Placement:
    """Lay out a legalised program, each node as early as its operands allow.

    ``narrow`` lets values share a place that nothing tells apart, where variables would be wider
    than positions and tokens are. Raises TpirError for tokens that are no words.
    """
    (readout,) = program.outputs.values()
    uses = _Uses(program, readout)
    vocabulary = _vocabulary(program)
    places = own_places(program)
    if narrow:
        least = max(program.context, len(vocabulary) if uses.reads_tokens else 0)
        places = narrowed_places(program, places, least)
    width = max([program.context, *(max(p) + 1 for p in places.values())])
    if mlps == "table":
        width = max([width, *(rows_read(node, places) for node in program.live)])
    if uses.reads_tokens or len(vocabulary) <= width:
        tokens = [node for node in program.live if isinstance(node.op, Tokens)]
        places |= {node: tuple(range(1, len(vocabulary))) for node in tokens}
        places |= copied_places(program, places)
        width = max(width, len(vocabulary))
        words = [unit for node in tokens for unit in uses.units(node)]
        one_hot = len(words) <= 1
    else:
        words = [unit for node in uses.word_maps for unit in uses.units(node)]
        one_hot = False
    return Placement(
        readout=readout,
        vocabulary=vocabulary,
        one_hot=one_hot,
        words=words,
        numbers=uses.numbers,
        layers=_schedule(program, uses, {unit.node for unit in words}),
        places=places,
        d_var=width + (predicates == "one" and lacks_spare(program, places, width)),
    )


def rows_read(node: Node, places: Mapping[Node, tuple[int, ...]]) -> int:
    """How many rows each number of a numerical table needs; 0 for what is none.

    Numbers from the last row on read that row: a table that does not change any more may end.
    """
    if not isinstance(node.op, Map) or not isinstance(node.op.function, Table):
        return 0
    if not reads_numbers(node):
        return 0
    domains = node.op.function.domains
    results = result_places(node, places)
    needed = 1
    for axis, domain in enumerate(domains):
        changes = np.diff(results, axis=axis) != 0
        last = np.flatnonzero(changes.any(axis=tuple({*range(len(domains))} - {axis})))
        if len(last):
            needed = max(needed, int(domain[0]) + int(last[-1]) + 2)
    return needed


class _Uses:
    """How nodes are read: as categorical variables, as numbers, how often by the readout."""

    def __init__(self, program: Program, readout: Node) -> None:
        self.categorical: set[Node] = set()
        self.numerical: set[Node] = set()
        self._copies: Counter[tuple[Node, bool]] = Counter()
        self.word_maps: list[Node] = []
        self.reads_tokens = False
        needs_one = False
        for node in program.live:
            for operand, number in _reads(node):
                (self.numerical if number else self.categorical).add(operand)
                if isinstance(operand.op, Tokens) and not is_of_word(node):
                    self.reads_tokens = True
            needs_one |= isinstance(node.op, SelectorWidth)
        for operand, number in _reads(readout):
            self._copies[operand, number] += 1
            if self._copies[operand, number] > 1 and isinstance(operand.op, Indices):
                raise refusal(readout, f"it reads {operand.name} twice")
        self.word_maps = [n for n in program.live if n in self.categorical and is_of_word(n)]
        assert isinstance(readout.op, Classify | ClassifyPooled)
        needs_one |= any(readout.op.bias)
        embedded = [n for n in program.live if n in self.numerical and isinstance(n.op, Map)]
        self.numbers: list[Unit | None] = [None] if needs_one or not embedded else []
        self.numbers += [unit for node in embedded for unit in self.units(node, number=True)]

    def units(self, node: Node, *, number: bool = False) -> list[Unit]:
        """The node as often as the model must hold it."""
        return [Unit(node, copy) for copy in range(max(1, self._copies[node, number]))]


def _reads(node: Node) -> list[tuple[Node, bool]]:
    """The operands that are variables, and whether each is read as a number."""
    operands, op = node.operands, node.op
    match op:
        case Select():
            return [(operand, False) for operand in operands]
        case Choose():
            return [(operand, False) for operand in operands[1:]]
        case Aggregate():
            return [(operands[1], False)]
        case AggregateSum():
            return [(operands[1], True)]
        case Map():
            return [(operand, reads_numbers(node)) for operand in operands]
        case Classify() | ClassifyPooled():
            kinds = [isinstance(w, NumberWeights) for w in op.weights]
            return list(zip(operands, kinds, strict=True))
    return []


def _vocabulary(program: Program) -> tuple[str, ...]:
    words = [token for token in program.vocabulary if isinstance(token, str)]
    for token in program.vocabulary:
        if not isinstance(token, str):
            raise TpirError(f"the tokens of a model are words, but {show_value(token)} is a number")
    return (PAD, *words)


def _schedule(program: Program, uses: _Uses, embedded: set[Node]) -> list[Layer]:
    """Heads read what earlier layers made, MLPs also what the heads of their own layer made."""
    layers: list[Layer] = []
    for_heads: dict[Node, int] = {}
    for_mlps: dict[Node, int] = {}
    for node in program.live:
        ready_heads = max((for_heads[o] for o in node.operands), default=0)
        ready_mlps = max((for_mlps[o] for o in node.operands), default=0)
        for_heads[node], for_mlps[node] = ready_heads, ready_mlps
        group = _group(node, uses, embedded)
        if group is None:
            continue
        is_head = group < 2
        layer = ready_heads if is_head else ready_mlps
        for_heads[node] = layer + 1
        for_mlps[node] = layer if is_head else layer + 1
        while len(layers) <= layer:
            layers.append(Layer())
        layers[layer].groups[group].extend(uses.units(node, number=group == 1))
    return layers


def _group(node: Node, uses: _Uses, embedded: set[Node]) -> int | None:
    """Which group of its layer a node belongs to; None if it is no part of a layer."""
    match node.op:
        case Aggregate():
            return 0
        case SelectorWidth() | AggregateSum():
            return 1
        case Map() if node in uses.categorical and node not in embedded:
            return 3 if reads_numbers(node) else 2
    return None
