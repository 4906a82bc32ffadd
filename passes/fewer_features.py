"""Readouts of fewer features: their weights are found anew, so that every label stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tpir.ir.exact_sums import Floats
from tpir.passes.columns import Columns, Spread
from tpir.passes.separating import leads, separated
from tpir.passes.votes import Cells, Votes, hardest

MOST_WEIGHTS = 1200
"""Readouts of more weights are not fitted: each step solves that many equations."""

MOST_CELLS = 400_000
"""Readouts of which more tuples of features occur are not fitted."""

MOST_COLUMNS = 500
"""Readouts of more rows of weights stay as they are."""

_POOL = 20_000
_FIRST = 4_000
_MORE = 20_000
_ROUNDS = 25
_SAMPLE = 100_000
_LEAST = 0.5
_SAME = 1e-9

Worth = Callable[[Sequence[int], int], float]
"""How much there is less to read when, of the features that are kept, one goes."""


def fewer_features(
    votes: Votes, cells: Cells, may_go: Sequence[bool], worth: Worth
) -> list[tuple[Votes, list[int]]]:
    """Weights that are right on all cells, and the features they are for: fewer and fewer.

    First come the weights given, which must be right. What other features say together goes first:
    no logit changes. Then one after the other is left out for which the rest can be fitted so that
    each label stays. Features that are infinite somewhere, or no numbers, are not looked at.
    """
    everything = list(range(len(votes.tables)))
    found = [(votes, everything)]
    if cells.count == 0 or len(votes.bias) < 2:
        return found
    columns = Columns.of(cells)
    if columns.count > MOST_COLUMNS or not np.isfinite(columns.scale).all():
        return found
    fit = _Fit(votes, columns)
    may = [k for k in everything if may_go[k]]
    kept, spanned = everything, fit.spanned(everything, may)
    while spanned:
        k = max(spanned, key=lambda k: worth(kept, k))
        left = [j for j in kept if j != k]
        if fit.project(left):
            kept = left
            found.append((fit.votes(kept), kept))
        spanned = fit.spanned(kept, [j for j in spanned if j != k])
    if columns.count * len(votes.bias) <= MOST_WEIGHTS and cells.count <= MOST_CELLS:
        fitted = _without_more(fit, kept, may, worth)
        if len(fitted) < len(kept):
            found.append((fit.votes(fitted), fitted))
    return found


def _without_more(fit: _Fit, kept: list[int], may: list[int], worth: Worth) -> list[int]:
    """Leave out features that others can stand for, those first for which most seems to be won."""
    refused = set(kept) - set(may)
    while True:
        order = [k for k in fit.by_difficulty(kept, worth) if k not in refused]
        for k in order:
            left = [j for j in kept if j != k]
            if fit.refit(left):
                kept = left
                break
            refused.add(k)
        else:
            return kept


class _Fit:
    """Weights that are right on all cells: (column, label), the first label's 0.

    ``pool``: the cells that are hard. Only of these some are fitted, and all others looked at.
    """

    def __init__(self, votes: Votes, columns: Columns) -> None:
        self.cells = cells = columns.cells
        self.columns, self._like = columns, votes
        matrix = self.columns.matrix(votes)
        self.weights: Floats = matrix - matrix[:, :1]
        self.lead = float(votes.leads(cells).min())
        self.pool = hardest(votes, cells, _POOL)
        evenly = np.arange(0, cells.count, max(1, cells.count // _SAMPLE))
        self.spread = Spread.of(self.columns, np.union1d(self.pool, evenly))

    def votes(self, kept: Sequence[int]) -> Votes:
        """The weights of some features."""
        return self.columns.votes(self.weights, kept, self._like)

    def spanned(self, kept: list[int], asked: list[int]) -> list[int]:
        """Which of these features the others say together. Once one is not, it never is again."""
        return [k for k in asked if self._unexplained(kept, k) < _SAME]

    def _unexplained(self, kept: list[int], k: int) -> float:
        basis = self.spread.basis(self.columns.of_features([j for j in kept if j != k]))
        return self.spread.unexplained(basis, self.columns.of_features([k])[:-1])

    def _projected(self, kept: list[int]) -> tuple[Floats, Floats]:
        """A basis of what some features say, and the weights nearest to ours, in that basis."""
        basis = self.spread.basis(self.columns.of_features(kept))
        return basis, basis.T @ (self.spread.products @ self.weights[:, 1:])

    def project(self, kept: list[int]) -> bool:
        """Take the nearest weights of some features, if they are right and lead by as much."""
        basis, along = self._projected(kept)
        return self._take(basis @ along, kept, self.lead / 2)

    def _take(self, weights: Floats, kept: list[int], least: float) -> bool:
        new = np.concatenate([np.zeros((len(weights), 1)), weights], axis=1)
        lead = self.columns.votes(new, kept, self._like).leads(self.cells.features(kept))
        if lead.min() >= least:
            self.weights, self.lead = new, float(lead.min())
            return True
        narrow = np.argsort(lead, kind="stable")[:_POOL]
        self.pool = np.union1d(self.pool, narrow[lead[narrow] < 3 * _LEAST])
        return False

    def by_difficulty(self, kept: list[int], worth: Worth) -> list[int]:
        """Features, those first without which few hard cells are wrong and much is won."""
        cells, label = self.columns.design(self.pool), self.cells.label[self.pool]
        cost = {}
        for k in kept:
            basis, along = self._projected([j for j in kept if j != k])
            wrong = int((leads(cells, label, basis @ along).min(axis=1) <= 0).sum())
            cost[k] = wrong / max(1.0, worth(kept, k))
        return sorted(kept, key=lambda k: (cost[k], k))

    def refit(self, kept: list[int]) -> bool:
        """Find weights of some features that are right on all cells; False if none are found."""
        basis, along = self._projected(kept)
        fitted = np.zeros(0, dtype=np.intp)
        for turn in range(_ROUNDS):
            pool = self.pool
            cells, label = self.columns.design(pool) @ basis, self.cells.label[pool]
            lead = leads(cells, label, along).min(axis=1)
            if turn == 0:
                scale = max(_SAME, float(np.quantile(np.abs(np.sort(lead)[:_FIRST]), 0.1)))
                along, lead = along / scale, lead / scale
            if lead.min() >= _LEAST / 2:
                if self._take(basis @ along, kept, _LEAST / 2):
                    return True
                continue
            narrow = np.argsort(lead, kind="stable")[: _MORE if turn else _FIRST]
            fitted = np.union1d(fitted, pool[narrow[lead[narrow] < 1.5] if turn else narrow])
            places = np.flatnonzero(np.isin(pool, fitted))
            found = separated(cells[places], label[places], along, _LEAST)
            if found is None:
                return False
            along = found
        return False
