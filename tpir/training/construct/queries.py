"""Heads whose query is a table of two features: the best key for each cell is exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tpir.training.construct.batch import Batch
from tpir.training.construct.features import Base, Feature, Fetch, Lookup, Relation, Selector
from tpir.training.construct.goals import Goal
from tpir.training.construct.parts import Known
from tpir.training.construct.pool import Pool
from tpir.training.construct.tables import lookup_of

_WIDEST, _CELLS = 20, 600
"""Features and keys of so many values, and tables of so many cells, are considered."""

_SURE = 0.999
"""A query that fetches such a share of the labels is made."""

Hits = NDArray[np.float64]


class QueryTables:
    """Proposes heads that fetch the labels of ``goal``, by key for each key that has few values.

    What asking for a key would fetch at each position is worked out once. So a table of two
    features as the query takes no search: in each cell the key that is right most often.
    """

    def __init__(self, pool: Pool, goal: Goal) -> None:
        self._pool, self._goal = pool, goal
        self._hits: dict[Base, Hits] = {}

    def fetches(self, feature: Feature, known: Sequence[Known]) -> Iterator[Fetch]:
        """Those whose query is a table of ``feature`` and one of ``known``."""
        codes, size = self._goal.codes(feature)
        if size > _WIDEST:
            return
        for key, value in ((Base.POSITION, Base.TOKEN), (Base.TOKEN, Base.POSITION)):
            hits = self._hits_of(key, value)
            for other in known:
                more, n = self._goal.codes(other.feature)
                if size * n > _CELLS or not hits.shape[1]:
                    continue
                in_cell = _summed(hits, codes * n + more, size * n)
                if in_cell.max(1).sum() / self._goal.size >= _SURE:
                    asked = in_cell.argmax(1)
                    yield from self._fetch(key, value, (feature, other.feature), asked)

    def _fetch(
        self, key: Base, value: Base, query: tuple[Feature, Feature], asked: NDArray[np.int64]
    ) -> Iterator[Fetch]:
        low = self._pool.batch.bounds(key)[0]
        table = lookup_of(self._goal, query, [int(code) + low for code in asked])
        self._pool.keep(table)
        made = Fetch(Selector(Relation("==", key, table)), value)
        if self._pool.fits(made):
            yield made

    def _hits_of(self, key: Base, value: Base) -> Hits:
        found = self._hits.get(key)
        if found is None:
            found = self._hits[key] = _hits(self._pool.batch, self._goal, key, value)
        return found


def _hits(batch: Batch, goal: Goal, key: Base, value: Base) -> Hits:
    """Whether asking for each key fetches the label: [labelled position, key].

    A fetched value counts for the label that it goes with more often than by chance. No key is
    listed where there are too many.
    """
    low, high = batch.bounds(key)
    if high - low >= _WIDEST:
        return np.zeros((goal.size, 0))
    columns = []
    for k in range(low, high + 1):
        asked = Relation("==", key, Lookup((Base.POSITION,), (0,), (1,), (k,)))
        chosen = batch.closest(batch.selected(Selector(asked)))
        columns.append(goal.at(np.take_along_axis(batch.values(value), chosen, 1)))
    fetched = np.stack(columns, 1)
    counts = np.zeros((int(fetched.max()) + 1, goal.n_labels))
    for column in columns:
        np.add.at(counts, (column, goal.labels), 1.0)
    counts += 1.0
    lift = counts / counts.sum(1, keepdims=True) / counts.sum(0, keepdims=True)
    right: NDArray[np.bool_] = lift.argmax(1)[fetched] == goal.labels[:, None]
    return right.astype(np.float64)


def _summed(hits: Hits, cells: NDArray[np.int64], n_cells: int) -> Hits:
    """The sum of each column of hits in each cell: [cell, key]."""
    columns = [np.bincount(cells, column, minlength=n_cells) for column in hits.T]
    return np.stack(columns, 1)
