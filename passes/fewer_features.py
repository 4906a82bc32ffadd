"""Readouts of fewer features: their weights are found anew, so that every label stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tpir.ir.exact_sums import Floats
from tpir.passes.separating import separated
from tpir.passes.votes import Cells, Ints, Votes, hardest

MOST_WEIGHTS = 1200
"""Readouts of more weights stay as they are: each step solves that many equations."""

MOST_CELLS = 400_000
"""Readouts of which more tuples of features occur stay as they are."""

_FIRST = 4000
_MORE = 2500
_ROUNDS = 12
_MOST_REFUSED = 8
_FIRST_REFUSED = 4
_LEAST = 1e-3


def fewer_features(votes: Votes, cells: Cells, may_go: Sequence[bool]) -> tuple[Votes, list[int]]:
    """Weights that are right on all cells, and the features they are for: as few as are found.

    The features that say least are left out first, one after another; it ends where several on end
    are needed. The weights given must be right.
    """
    everything = list(range(len(votes.tables)))
    weights = sum(t.shape[0] for t in votes.tables) * len(votes.bias)
    if weights > MOST_WEIGHTS or cells.count > MOST_CELLS:
        return votes, everything
    fit = _Fit(votes, cells)
    kept, refused, on_end = everything, set[int](), 0
    while on_end < (_MOST_REFUSED if len(kept) < len(everything) else _FIRST_REFUSED):
        order = [k for k in fit.by_influence(votes, kept) if may_go[k] and k not in refused]
        if not order:
            break
        left = [k for k in kept if k != order[0]]
        made = fit.fitted(_some(votes, kept, left), left)
        if made is None:
            refused.add(order[0])
            on_end += 1
        else:
            votes, kept, on_end = made, left, 0
    return votes, kept


def _some(votes: Votes, kept: list[int], left: list[int]) -> Votes:
    return Votes(tuple(votes.tables[kept.index(k)] for k in left), votes.bias)


class _Fit:
    """The cells, and which of them are hard: only these are fitted, and the others looked at."""

    def __init__(self, votes: Votes, cells: Cells) -> None:
        self.cells = cells
        self.hard = hardest(votes, cells, _FIRST)
        self._scales = [
            1.0 if is_table else float(np.abs(index.astype(np.float64)).max(initial=1.0))
            for index, is_table in zip(cells.index, cells.is_table, strict=True)
        ]

    def by_influence(self, votes: Votes, kept: list[int]) -> list[int]:
        """The features, those first whose votes vary least over the hard cells."""
        part = self.cells.features(kept).some(self.hard)
        spread = []
        for place in range(len(kept)):
            term = votes.term(part, place)
            term = term - term.mean(axis=0)
            spread.append(float((term - term.mean(axis=1, keepdims=True)).std()))
        return [kept[place] for place in np.argsort(spread, kind="stable").tolist()]

    def fitted(self, votes: Votes, kept: list[int]) -> Votes | None:
        """Weights of some features that are right on all cells, if any are found."""
        cells = self.cells.features(kept)
        for _ in range(_ROUNDS):
            matrix = separated(
                self._design(kept), cells.label[self.hard], self._flat(votes, kept), _LEAST
            )
            if matrix is None:
                return None
            votes = self._votes(matrix, votes, kept)
            leads = votes.leads(cells)
            if leads.min() > _LEAST / 10:
                return votes
            self.hard = np.union1d(self.hard, np.argsort(leads, kind="stable")[:_MORE])
        return None

    def _design(self, kept: list[int]) -> Floats:
        """The hard cells: a column for each row of a table, one for each number, one of ones."""
        parts: list[Floats] = []
        for k in kept:
            index = self.cells.index[k][self.hard]
            if self.cells.is_table[k]:
                parts.append((index[:, None] == self._rows(k)).astype(np.float64))
            else:
                parts.append(index.astype(np.float64)[:, None] / self._scales[k])
        return np.concatenate([*parts, np.ones((len(self.hard), 1))], axis=1)

    def _rows(self, k: int) -> Ints:
        """The rows of a table that occur."""
        return np.unique(self.cells.index[k]).astype(np.intp)

    def _flat(self, votes: Votes, kept: list[int]) -> Floats:
        parts = [
            table[self._rows(k)] if self.cells.is_table[k] else table * self._scales[k]
            for k, table in zip(kept, votes.tables, strict=True)
        ]
        return np.concatenate([*parts, votes.bias[None]])

    def _votes(self, matrix: Floats, votes: Votes, kept: list[int]) -> Votes:
        tables, start = [], 0
        for k, old in zip(kept, votes.tables, strict=True):
            rows = self._rows(k) if self.cells.is_table[k] else np.zeros(1, dtype=np.intp)
            table = np.zeros_like(old)
            table[rows] = matrix[start : start + len(rows)] / self._scales[k]
            tables.append(table)
            start += len(rows)
        return Votes(tuple(tables), matrix[-1])
