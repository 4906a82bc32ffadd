"""What a readout can read, on labelled data: each sequence as a number, as a table, or both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

import numpy as np

from tpir.ir.exact_sums import Floats
from tpir.ir.functions import NumberWeights, TableWeights
from tpir.ir.ops import Classify
from tpir.ir.program import Node, cone
from tpir.ir.types import Bool, Pooled, Selector, is_integral, values_of
from tpir.passes.fitting import fitted
from tpir.passes.reading import reading_size_of_node
from tpir.passes.scores import NONE, OTHER, Scores
from tpir.passes.votes import Cells, Ints, Votes
from tpir.semantics.columns import Column, numbers

MOST_ROWS = 24
"""Sequences that take more values than this on the data are read as numbers only."""

_NOTHING: Ints = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class Feature:
    """A sequence as a readout reads it, at the labelled positions.

    ``codes``: of a table, which of ``values`` (codes of the type) stands there; else the numbers.
    """

    node: Node
    is_table: bool
    codes: Ints
    values: Ints

    @property
    def rows(self) -> int:
        """How many rows of weights it takes."""
        return len(self.values) if self.is_table else 1


class Labelled:
    """The labelled positions of some data, one after another. ``gold`` holds their labels."""

    def __init__(self, scores: Scores, labels: int) -> None:
        self._groups = scores.groups
        self._where = [(g.gold != NONE) & (g.gold != OTHER) for g in scores.groups]
        pairs = zip(self._groups, self._where, strict=True)
        self.gold = np.concatenate([group.gold[where] for group, where in pairs])
        self.labels = labels

    def features(self, nodes: Iterable[Node]) -> list[Feature]:
        """All ways to read some sequences that differ on the data."""
        seen: dict[tuple[bool, bytes], Feature] = {}
        for node in nodes:
            for feature in self.of(node):
                seen.setdefault((feature.is_table, feature.codes.tobytes()), feature)
        return list(seen.values())

    def of(self, node: Node) -> list[Feature]:
        """The ways to read one sequence; none where it is the same everywhere."""
        if isinstance(node.type, Selector | Pooled):
            return []
        found = []
        if values_of(node.type) is not None:
            table = self.like(Feature(node, True, _NOTHING, _NOTHING))
            if 1 < table.rows <= MOST_ROWS:
                found.append(table)
        if is_integral(node.type) and not isinstance(node.type, Bool):
            number = self.like(Feature(node, False, _NOTHING, _NOTHING))
            if number.codes.min() < number.codes.max():
                found.append(number)
        return found

    def like(self, feature: Feature) -> Feature:
        """A feature of other data, on these."""
        column = self._column(feature.node, not feature.is_table)
        if not feature.is_table:
            return Feature(feature.node, False, column, _NOTHING)
        values, codes = np.unique(column, return_inverse=True)
        return Feature(feature.node, True, codes.astype(np.int16), values)

    def _column(self, node: Node, as_number: bool) -> Ints:
        parts = []
        for group, where in zip(self._groups, self._where, strict=True):
            state = group.machine.state(node)
            assert isinstance(state, Column)
            data = numbers(state) if as_number else state.data
            parts.append(np.broadcast_to(data, where.shape)[where].astype(np.intp))
        return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Fit:
    """A readout of some features, fitted to the labels of some data."""

    features: tuple[Feature, ...]
    votes: Votes
    cells: Cells
    weight: Floats
    cell_of: Ints
    loss: float
    right: int

    @classmethod
    def of(cls, data: Labelled, features: Sequence[Feature], steps: int = 120) -> Fit:
        """Fit it, in at most so many steps.

        Places of equal values and labels count as one: few features are fast.
        """
        _, first, cell_of, count = np.unique(
            _keys([*(f.codes for f in features), data.gold]),
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        index = tuple(
            f.codes[first] if f.is_table else f.codes[first].astype(np.float64) for f in features
        )
        cells = Cells(index, tuple(f.is_table for f in features), data.gold[first].astype(np.intp))
        weight = count.astype(np.float64)
        votes = fitted(cells, weight, [f.rows for f in features], data.labels, steps)
        logits = votes.logits(cells)
        right = int(weight[logits.argmax(axis=0) == cells.label].sum())
        logits -= logits.max(axis=0)
        each = np.log(np.exp(logits).sum(axis=0)) - logits[cells.label, np.arange(cells.count)]
        return cls(
            tuple(features), votes, cells, weight, cell_of, float((each * weight).sum()), right
        )

    def right_with(self, votes: Votes) -> int:
        """How many labels other weights get right."""
        return int(self.weight.sum() - self.weight[votes.wrong(self.cells)].sum())

    def surprise(self) -> tuple[Floats, Floats]:
        """At each label and position: what is not explained yet, and its variance."""
        logits = self.votes.logits(self.cells)
        shares = np.exp(logits - logits.max(axis=0))
        shares /= shares.sum(axis=0)
        rest = np.eye(len(shares))[self.cells.label].T - shares
        return rest[:, self.cell_of], (shares * (1 - shares))[:, self.cell_of]


def _keys(columns: Sequence[Ints]) -> Ints:
    """One number for each place: equal where all columns are."""
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        kinds, codes = np.unique(column, return_inverse=True)
        key = key * len(kinds) + codes
        if len(kinds) * (int(key.max()) + 1) > 2**40:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
    return key


def gain(feature: Feature, rest: Floats, variance: Floats) -> float:
    """About how much the loss falls if a feature is read, too: a Newton step for each weight."""
    if feature.is_table:
        rows = np.eye(feature.rows)[feature.codes]
        return float(((rest @ rows) ** 2 / (variance @ rows + 1)).sum())
    centred = feature.codes - feature.codes.mean()
    scaled = centred / centred.std()
    return float(((rest @ scaled) ** 2 / (variance @ scaled**2 + 1)).sum())


def cost(feature: Feature, known: Set[Node], labels: int) -> int:
    """About how many characters more there are to read with a feature, some nodes being known."""
    fresh = cone([feature.node]) - known
    return length(fresh) + 16 + feature.rows * (6 + 4 * labels)


def length(nodes: Iterable[Node]) -> int:
    """About how many characters some nodes print as; constants stand where they are read."""
    return sum(reading_size_of_node(node) for node in nodes if node.operands)


def total_cost(features: Sequence[Feature], labels: int) -> int:
    """About how many characters a readout of some features takes, with all that they depend on."""
    known: set[Node] = set()
    total = 0
    for feature in features:
        total += cost(feature, known, labels)
        known |= cone([feature.node])
    return total


def readout(op: Classify, features: Sequence[Feature], votes: Votes) -> Classify:
    """The readout with these weights; values that the data do not have get the commonest row."""
    weights: list[TableWeights | NumberWeights] = []
    for feature, table in zip(features, votes.tables, strict=True):
        if not feature.is_table:
            weights.append(NumberWeights(tuple(table[0].tolist())))
            continue
        domain = values_of(feature.node.type)
        assert domain is not None
        kinds, counts = np.unique(table, axis=0, return_counts=True)
        full = np.repeat(kinds[counts.argmax()][None], len(domain), axis=0)
        full[feature.values] = table
        weights.append(TableWeights(domain, tuple(map(tuple, full.tolist()))))
    return Classify(op.labels, tuple(votes.bias.tolist()), tuple(weights))
