"""The features of a readout as columns of a matrix: one for each row of a table, one for a number.

Votes become a matrix (column, label). The last column is of ones, for the bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tpir.ir.exact_sums import Floats
from tpir.passes.votes import Cells, Ints, Votes

_SPANNED = 1e-10
"""Directions in which the columns vary by less, squared, do not count as directions."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Which columns each feature has. ``rows``: the rows of a table that occur, one for a number.

    Numbers are divided by ``scale``, so that none is above 1.
    """

    cells: Cells
    rows: tuple[Ints, ...]
    scale: tuple[float, ...]
    start: tuple[int, ...]

    @classmethod
    def of(cls, cells: Cells) -> Columns:
        """The columns of all features of some cells."""
        rows, scale, start = list[Ints](), list[float](), [0]
        for index, is_table in zip(cells.index, cells.is_table, strict=True):
            rows.append(np.unique(index).astype(np.intp) if is_table else np.zeros(1, np.intp))
            largest = float(np.abs(index.astype(np.float64)).max(initial=0))
            scale.append(1.0 if is_table or largest == 0 else largest)
            start.append(start[-1] + len(rows[-1]))
        return cls(cells, tuple(rows), tuple(scale), tuple(start))

    @property
    def count(self) -> int:
        """The number of columns, that of ones with them."""
        return self.start[-1] + 1

    def of_features(self, kept: Sequence[int]) -> Ints:
        """The columns of some features, and that of ones."""
        parts = [np.arange(self.start[k], self.start[k + 1]) for k in kept]
        return np.concatenate([*parts, [self.start[-1]]]).astype(np.intp)

    def design(self, chosen: Ints) -> Floats:
        """Some cells: (cell, column)."""
        matrix = np.zeros((len(chosen), self.count))
        each = np.arange(len(chosen))
        for k, index in enumerate(self.cells.index):
            if self.cells.is_table[k]:
                place = np.searchsorted(self.rows[k], index[chosen])
                matrix[each, self.start[k] + place] = 1
            else:
                matrix[:, self.start[k]] = index[chosen].astype(np.float64) / self.scale[k]
        matrix[:, -1] = 1
        return matrix

    def matrix(self, votes: Votes) -> Floats:
        """Votes as a matrix (column, label)."""
        parts = [
            table[rows] * scale
            for table, rows, scale in zip(votes.tables, self.rows, self.scale, strict=True)
        ]
        return np.concatenate([*parts, votes.bias[None]])

    def votes(self, matrix: Floats, kept: Sequence[int], like: Votes) -> Votes:
        """The votes of some features; ``like`` has all of them, of the same shapes."""
        tables = []
        for k in kept:
            table = np.zeros_like(like.tables[k])
            table[self.rows[k]] = matrix[self.start[k] : self.start[k + 1]] / self.scale[k]
            tables.append(table)
        return Votes(tuple(tables), matrix[-1].copy())


@dataclass(frozen=True, eq=False)
class Spread:
    """How columns go together over a sample of the cells: means of products of two of them."""

    products: Floats

    @classmethod
    def of(cls, columns: Columns, sample: Ints, chunk: int = 20_000) -> Spread:
        """Over some of the cells."""
        total = np.zeros((columns.count, columns.count))
        for start in range(0, len(sample), chunk):
            part = columns.design(sample[start : start + chunk])
            total += part.T @ part
        return cls(total / len(sample))

    def basis(self, used: Ints) -> Floats:
        """(column, direction): what some columns span, orthonormal over the sample."""
        values, vectors = np.linalg.eigh(self.products[np.ix_(used, used)])
        wide = values > _SPANNED
        found = np.zeros((len(self.products), int(wide.sum())))
        found[used] = vectors[:, wide] / np.sqrt(values[wide])
        return found

    def unexplained(self, basis: Floats, columns: Ints) -> float:
        """How much of some columns a basis does not span: the most of their variances."""
        along = basis.T @ self.products[:, columns]
        left = np.diagonal(self.products)[columns] - (along * along).sum(axis=0)
        return float(left.max(initial=0))
