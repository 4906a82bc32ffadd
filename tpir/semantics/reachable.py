"""Which values can occur where: a sound over-approximation, from the input space alone.

An abstract interpretation. For each length, position i and token at i (a *cell*) it keeps the set
of values that a sequence can have there. The token is part of the cell because most variables of a
trained program depend on it, and because what a head reads at j is the key and the value of one
token.
Heads, counts and sums are in ``reach_heads``; here is what happens at one position.

Cells are arrays (position, token, value) of truth values; a sequence without a finite, small set of
values is not tracked (None), and may have any value of its type.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import Table
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Choose,
    Indices,
    Map,
    Otherwise,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled, Selector, size_of
from tpir.semantics.maps import TableKernel, table_kernel
from tpir.semantics.reach_heads import Chosen, Length, Matches, exists
from tpir.semantics.space import InputSpace

Bools = NDArray[np.bool_]

MAX_VALUES = 1024
"""Sequences of more values than this are not tracked."""

MAX_CELLS = 2**26
"""Where cells by token would need larger arrays than this, the token is left out of them."""

_CHUNK = 2**22


@dataclass(frozen=True, eq=False)
class Facts:
    """What can happen on the inputs of a program's space. Of nodes not mentioned nothing is known.

    ``values``: for a sequence, which values of its type. ``rows``: for a table, which rows, one
    axis for each operand. ``matched``: for a selector by relation, which query values can select
    something. ``elsewhere``: for a choice from such a selector, which query values can choose a
    position other than the first. ``own``: the choices that always choose the query's own position.
    ``single``: those choices by scores or offsets that never have more than one key to choose from.
    ``places``: for a choice that falls back on the first position, which positions each position
    can choose, [query, key].
    """

    values: dict[Node, Bools] = field(default_factory=dict)
    rows: dict[Node, Bools] = field(default_factory=dict)
    matched: dict[Node, Bools] = field(default_factory=dict)
    elsewhere: dict[Node, Bools] = field(default_factory=dict)
    own: set[Node] = field(default_factory=set)
    single: set[Node] = field(default_factory=set)
    places: dict[Node, Bools] = field(default_factory=dict)

    @classmethod
    def before(cls, program: Program) -> Facts:
        """What holds of choices as long as no input has been looked at."""
        facts, square = cls(), (program.context, program.context)
        for node in program.live:
            if isinstance(node.op, Choose):
                facts.own.add(node)
                if is_ranked(node.op):
                    facts.single.add(node)
                if node.op.otherwise is Otherwise.FIRST:
                    facts.places[node] = np.zeros(square, dtype=np.bool_)
        return facts


def is_ranked(op: Choose) -> bool:
    """Whether a choice has scores, or a list of offsets."""
    return op.score is not None or isinstance(op.order, tuple)


def add_fact(facts: dict[Node, Bools], node: Node, seen: Bools) -> None:
    """Note that these values of a node can occur, too."""
    facts[node] = facts[node] | seen if node in facts else seen


def reachable_facts(program: Program, space: InputSpace) -> Facts:
    """What can happen on the inputs of ``space``: never less than what does happen."""
    facts = Facts.before(program)
    tracked = {node: _tracked_size(node) for node in program.live}
    widest = max((size for size in tracked.values() if size is not None), default=1)
    by_token = len(program.vocabulary) * widest * program.context**2 <= MAX_CELLS
    if not by_token and widest * program.context**2 > MAX_CELLS:
        return Facts()
    kernels = _kernels(program)
    for length, tokens in space.possible_tokens().items():
        possible = np.zeros((length, len(program.vocabulary)), dtype=np.bool_)
        for position, found in enumerate(tokens):
            possible[position, list(found)] = True
        _OneLength(program, facts, tracked, kernels, possible, by_token).run()
    return facts


def reachable_cells(program: Program, space: InputSpace, length: int) -> dict[Node, Bools]:
    """For each tracked sequence its cells on the inputs of one length: [i, t, v].

    The axis of tokens has size 1 where the program is too large to keep tokens apart. Empty where
    it is too large altogether.
    """
    tracked = {node: _tracked_size(node) for node in program.live}
    widest = max((size for size in tracked.values() if size is not None), default=1)
    if widest * program.context**2 > MAX_CELLS:
        return {}
    by_token = len(program.vocabulary) * widest * program.context**2 <= MAX_CELLS
    possible = np.zeros((length, len(program.vocabulary)), dtype=np.bool_)
    for position, found in enumerate(space.possible_tokens()[length]):
        possible[position, list(found)] = True
    walk = _OneLength(program, Facts(), tracked, _kernels(program), possible, by_token)
    walk.run()
    return {node: cells for node, cells in walk.cells.items() if cells is not None}


def _tracked_size(node: Node) -> int | None:
    size = None if isinstance(node.type, Selector | Pooled) else size_of(node.type)
    return size if size is not None and size <= MAX_VALUES else None


def _kernels(program: Program) -> dict[Node, TableKernel]:
    """The maps that are finite functions, as arrays of result codes."""
    kernels = {node: table_kernel(node) for node in program.live if isinstance(node.op, Map)}
    return {node: kernel for node, kernel in kernels.items() if kernel is not None}


class _OneLength:
    """The walk through a program for the inputs of one length."""

    def __init__(
        self,
        program: Program,
        facts: Facts,
        tracked: Mapping[Node, int | None],
        kernels: Mapping[Node, TableKernel],
        possible: Bools,
        by_token: bool,
    ) -> None:
        self.program, self.facts, self.tracked, self.kernels = program, facts, tracked, kernels
        self.possible, self.by_token = possible, by_token
        self.present = possible if by_token else exists(possible, 1)[:, None]
        self.around = Length(self.present, program.context, program.causal)
        self.cells: dict[Node, Bools | None] = {}
        self.matches: dict[Node, Matches] = {}
        self.chosen: dict[Node, Chosen] = {}

    def run(self) -> None:
        """Visit every live node, operands first."""
        for node in self.program.live:
            if isinstance(node.type, Selector):
                self._selector(node)
                continue
            found = self._sequence(node)
            size = self.tracked[node]
            if found is None and size is not None:
                found = self._anything(size)
            self.cells[node] = found
            if found is not None:
                add_fact(self.facts.values, node, exists(found, 0, 1))

    def _anything(self, size: int) -> Bools:
        return np.repeat(self.present[:, :, None], size, axis=2)

    def _sequence(self, node: Node) -> Bools | None:
        """The cells of a sequence, None for anything its type allows."""
        match node.op:
            case Tokens():
                if self.by_token:
                    return self.possible[:, :, None] & np.eye(
                        self.possible.shape[1], dtype=np.bool_
                    )
                return self.possible[:, None, :]
            case Indices():
                at: Bools = np.arange(self.program.context) == np.arange(len(self.present))[:, None]
                return self.present[:, :, None] & at[:, None, :]
            case Map():
                return self._map(node)
            case Uniform():
                return self.cells[node.operands[0]]
        if self.tracked[node] is None:
            return None
        match node.op:
            case SelectorWidth():
                return self._matches(node.operands[0]).widths(node.type)
            case AggregateSum():
                values = node.operands[1]
                return self._matches(node.operands[0]).sums(
                    node.type, self.cells[values], values.type
                )
            case Aggregate(default):
                chosen, values = self.chosen.get(node.operands[0]), node.operands[1]
                cells = self.cells[values]
                if chosen is None or cells is None:
                    return None
                return chosen.aggregate(values, cells, default, node.type)
        return None

    def _matches(self, selector: Node) -> Matches:
        """What a selector can select; a selector that is not tracked can select anything."""
        return self.matches.get(selector) or Matches.unknown(self.around)

    def _selector(self, node: Node) -> None:
        match node.op:
            case Select(predicate):
                keys, queries = (self.cells[o] for o in node.operands)
                made = Matches.of(self.around, predicate, node.operands, keys, queries)
                if made is not None:
                    self.matches[node] = made
                    add_fact(self.facts.matched, node, made.matched())
            case Choose() as op:
                chosen = Chosen(self._matches(node.operands[0]), op)
                self.chosen[node] = chosen
                if node.operands[0] in self.matches:
                    add_fact(self.facts.elsewhere, node, chosen.elsewhere())
                if not chosen.is_own():
                    self.facts.own.discard(node)
                if node in self.facts.single and chosen.matches.several():
                    self.facts.single.discard(node)
                if node in self.facts.places:
                    length = len(self.present)
                    self.facts.places[node][:length, :length] |= chosen.places()

    def _map(self, node: Node) -> Bools | None:
        """The results of the rows that can occur; notes the rows."""
        kernel = self.kernels.get(node)
        operands = [self.cells[operand] for operand in node.operands]
        known = [cells for cells in operands if cells is not None]
        if kernel is None or len(known) < len(operands):
            return None
        size = self.tracked[node]
        sets = [cells.reshape(-1, cells.shape[2]) for cells in known]
        present = self.present.reshape(-1, 1)
        together = np.concatenate([present, *sets], axis=1)
        distinct, inverse = _distinct_rows(together)
        rows = np.zeros(math.prod(kernel.sizes), dtype=np.bool_)
        results = np.zeros((len(distinct), size or 1), dtype=np.bool_)
        step = max(1, _CHUNK // len(rows))
        bounds = np.cumsum([1, *(s.shape[1] for s in sets)])
        for start in range(0, len(distinct), step):
            chunk = distinct[start : start + step]
            joint = chunk[:, :1]
            for left, right in pairwise(bounds.tolist()):
                joint = (joint[:, :, None] & chunk[:, None, left:right]).reshape(len(chunk), -1)
            if kernel.failures is not None:
                joint = joint & (kernel.failures == 0)
            rows |= exists(joint, 0)
            if size is not None:
                results[start : start + step] = _images(joint, kernel.lookup, size)
        if isinstance(node.op.function, Table):  # type: ignore[union-attr]
            add_fact(self.facts.rows, node, rows.reshape(kernel.sizes))
        if size is None:
            return None
        return results[inverse].reshape(*self.present.shape, size)


def _distinct_rows(rows: Bools) -> tuple[Bools, NDArray[np.intp]]:
    """The distinct rows, and for each row which one it is."""
    packed = np.ascontiguousarray(np.packbits(rows, axis=1))
    names = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0]
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    return rows[first], inverse.reshape(-1)


def _images(joint: Bools, lookup: NDArray[np.generic], size: int) -> Bools:
    """For each set of rows the set of their results."""
    codes = lookup.astype(np.intp)
    order = np.argsort(codes, kind="stable")
    found, starts = np.unique(codes[order], return_index=True)
    images = np.zeros((len(joint), size), dtype=np.bool_)
    images[:, found] = np.logical_or.reduceat(joint[:, order], starts, axis=1)
    return images
