"""A readout's weights as an array for each feature, while smaller ones are looked for.

Everything is checked on the *cells*: all tuples of feature values that occur, each once. Weights
are right if each cell gets its label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.ir.exact_sums import Floats
from tpir.ir.functions import NumberWeights, TableWeights
from tpir.ir.ops import Classify
from tpir.semantics.columns import Column, numbers

Ints = NDArray[np.intp]

_SCALES = (1, 2, 5)
_MOST_ROUNDS = 40
_HARD = 8_000
_GROWTH = 3000
_CHUNK = 2**17
_FIRST = 2_000
"""Of each value so many cells, those with the smallest leads, are looked at before the others."""


@dataclass(frozen=True, eq=False)
class Cells:
    """What occurs: for each feature codes (tables) or numbers, by cell; and each cell's label."""

    index: tuple[NDArray[np.generic], ...]
    is_table: tuple[bool, ...]
    label: Ints

    @classmethod
    def of(cls, op: Classify, features: Sequence[Column], label: Column) -> Cells:
        """From the distinct tuples of values of a readout's features, and their labels."""
        index: list[NDArray[np.generic]] = []
        for weights, column in zip(op.weights, features, strict=True):
            if isinstance(weights, TableWeights):
                index.append(column.data[0])
            else:
                index.append(numbers(column)[0].astype(np.float64))
        tables = tuple(isinstance(w, TableWeights) for w in op.weights)
        return cls(tuple(index), tables, label.data[0].astype(np.intp))

    @property
    def count(self) -> int:
        """The number of cells."""
        return len(self.label)

    def some(self, chosen: NDArray[np.generic]) -> Cells:
        """Some of the cells."""
        index = tuple(x[chosen] for x in self.index)
        return Cells(index, self.is_table, self.label[chosen])

    def features(self, kept: Sequence[int]) -> Cells:
        """All cells, some of the features."""
        index = tuple(self.index[k] for k in kept)
        return Cells(index, tuple(self.is_table[k] for k in kept), self.label)


@dataclass(frozen=True, eq=False)
class Votes:
    """``tables[f]`` (row, label): a row for each value, one alone for a number. ``bias`` (label)"""

    tables: tuple[Floats, ...]
    bias: Floats

    @classmethod
    def of(cls, op: Classify) -> Votes:
        """The weights of a readout."""
        rows = (w.rows if isinstance(w, TableWeights) else (w.row,) for w in op.weights)
        return cls(tuple(np.array(r, dtype=np.float64) for r in rows), np.array(op.bias))

    def centred(self) -> Votes:
        """The same argmax: from each row its mean over the labels is taken away."""
        tables = tuple(t - t.mean(axis=1, keepdims=True) for t in self.tables)
        return Votes(tables, self.bias - self.bias.mean())

    def rounded(self, scale: float) -> Votes:
        """Whole numbers near ``scale`` times the weights."""
        return Votes(tuple(np.rint(t * scale) for t in self.tables), np.rint(self.bias * scale))

    def logits(self, cells: Cells) -> Floats:
        """(label, cell)."""
        total = np.repeat(self.bias[:, None], cells.count, axis=1)
        for k in range(len(self.tables)):
            total += self.term(cells, k)
        return total

    def term(self, cells: Cells, feature: int) -> Floats:
        """What one feature adds: (label, cell)."""
        index, table = cells.index[feature], self.tables[feature]
        if cells.is_table[feature]:
            return np.ascontiguousarray(table.T)[:, index]
        added: Floats = table[0][:, None] * index
        return added

    def wrong(self, cells: Cells) -> Ints:
        """The cells that get another label than theirs."""
        found = []
        for start in range(0, cells.count, _CHUNK):
            part = cells.some(np.arange(start, min(cells.count, start + _CHUNK)))
            found.append(start + np.flatnonzero(self.logits(part).argmax(axis=0) != part.label))
        return np.concatenate(found) if found else np.zeros(0, dtype=np.intp)

    def leads(self, cells: Cells) -> Floats:
        """By how much each cell's label is ahead of the best other: below 0 where it is not."""
        leads = np.empty(cells.count)
        for start in range(0, cells.count, _CHUNK):
            part = cells.some(np.arange(start, min(cells.count, start + _CHUNK)))
            logits, each = self.logits(part), np.arange(part.count)
            own = logits[part.label, each]
            logits[part.label, each] = -np.inf
            leads[start : start + part.count] = own - logits.max(axis=0)
        return leads

    def repaired(self, cells: Cells) -> Votes | None:
        """Weights that are right on all of ``cells``, by the perceptron rule; None if not soon.

        Where a cell is wrong, each row that it looks up gains one for its label and loses one for
        the label that won. Whole numbers stay whole; the weights of numbers stay as they are.
        """
        tables, bias = [t.copy() for t in self.tables], self.bias.copy()
        places = [k for k, is_table in enumerate(cells.is_table) if is_table]
        total, fewest, since = self.logits(cells), cells.count + 1, 0
        for _ in range(_MOST_ROUNDS):
            winner = total.argmax(axis=0)
            wrong = np.flatnonzero(winner != cells.label)
            if not len(wrong):
                return Votes(tuple(tables), bias)
            since = 0 if len(wrong) < fewest else since + 1
            fewest = min(fewest, len(wrong))
            if since > 8:
                return None
            for cell in _spread(wrong):
                right, won = int(cells.label[cell]), int(winner[cell])
                if total[:, cell].argmax() == right:
                    continue
                bias[right] += 1
                bias[won] -= 1
                total[right] += 1
                total[won] -= 1
                for k in places:
                    code = cells.index[k][cell]
                    tables[k][code, right] += 1
                    tables[k][code, won] -= 1
                    alike = cells.index[k] == code
                    total[right, alike] += 1
                    total[won, alike] -= 1
        return None


def _spread(wrong: Ints) -> Iterator[int]:
    """At most 16 of some places, evenly spread."""
    yield from wrong[:: max(1, len(wrong) // 16)][:16].tolist()


def improved(votes: Votes, cells: Cells, weight: Floats) -> Votes:
    """Whole weights with one more or less where that gets more right, each cell counted ``weight``.

    One weight after another, until none of them helps.
    """
    tables, bias = [t.copy() for t in votes.tables], votes.bias.copy()
    total = votes.logits(cells)
    changed, rounds = True, _MOST_ROUNDS
    while changed and rounds:
        changed, rounds = False, rounds - 1
        for label in range(len(bias)):
            margin, worth = _margin(total, label, cells, weight)
            right = float(worth @ (margin > 0))
            for vector, added in _single_weights(tables, bias, cells):
                for step in (1, -1):
                    now = float(worth @ (margin + step * added > 0))
                    if now > right:
                        right, changed = now, True
                        vector[label] += step
                        margin = margin + step * added
            total[label] = Votes(tuple(tables), bias).logits(cells)[label]
    return Votes(tuple(tables), bias)


def _margin(total: Floats, label: int, cells: Cells, weight: Floats) -> tuple[Floats, Floats]:
    """By how much a label leads, cell by cell, and what it is worth if it leads."""
    others = total.copy()
    others[label] = -np.inf
    best = others.argmax(axis=0)
    lead = total[label] - others[best, np.arange(cells.count)]
    worth = weight * (cells.label == label) - weight * (cells.label == best)
    return lead + 0.5 * (label < best), worth  # whole numbers: ties go to the first label


def _single_weights(
    tables: Sequence[Floats], bias: Floats, cells: Cells
) -> Iterator[tuple[Floats, Floats]]:
    """Each row of weights, and what one more of it adds to the cells."""
    yield bias, np.ones(cells.count)
    for k, table in enumerate(tables):
        for row, vector in enumerate(table):
            is_row = cells.index[k] == row
            yield vector, (is_row if cells.is_table[k] else cells.index[k]).astype(np.float64)


def small_votes(votes: Votes, cells: Cells) -> Votes | None:
    """Whole weights that are right on all cells, of about the smallest scale; None if none is."""
    votes = votes.centred()
    largest = max(float(np.abs(t).max(initial=0)) for t in (*votes.tables, votes.bias))
    if largest == 0:
        return votes
    hard = hardest(votes, cells, _HARD)
    for power in range(8):
        for step in _SCALES:
            rounded = votes.rounded(step * 10**power / largest)
            made, hard = _right(rounded, cells, hard)
            if made is not None:
                return made
    return None


def _right(votes: Votes, cells: Cells, hard: Ints) -> tuple[Votes | None, Ints]:
    """The weights, repaired if need be, if they are right on all cells; and the hard cells."""
    for _ in range(6):
        part = cells.some(hard)
        if len(votes.wrong(part)) * 40 > part.count:
            return None, hard
        repaired = votes.repaired(part)
        if repaired is None:
            return None, hard
        votes = repaired
        wrong = votes.wrong(cells)
        if not len(wrong):
            return votes, hard
        hard = np.union1d(hard, wrong[:: max(1, len(wrong) // _GROWTH)])
    return None, hard


def hardest(votes: Votes, cells: Cells, count: int) -> Ints:
    """The cells whose label leads by least, at most so many."""
    if cells.count <= count:
        return np.arange(cells.count)
    return np.sort(np.argsort(votes.leads(cells), kind="stable")[:count])


def merged_rows(votes: Votes, cells: Cells) -> Votes:
    """The weights with rows of a feature made equal, one pair after another, while all is right.

    The rows that are nearest to each other are tried first.
    """
    tables = [t.copy() for t in votes.tables]
    total = votes.logits(cells)
    narrow_first = np.argsort(votes.leads(cells), kind="stable")
    for k, table in enumerate(tables):
        if not cells.is_table[k]:
            continue
        by_lead = cells.index[k][narrow_first]
        where = [narrow_first[by_lead == code] for code in range(len(table))]
        group = list(range(len(table)))  # which rows are equal already
        for _, a, b in _by_distance(table):
            if group[a] == group[b]:
                continue
            for keep, lose in ((a, b), (b, a)):
                moved = [c for c in range(len(table)) if group[c] == group[lose]]
                if _move(total, cells, where, table, moved, table[keep].copy()):
                    target = group[keep]
                    group = [target if c in moved else g for c, g in enumerate(group)]
                    break
    return Votes(tuple(tables), votes.bias)


def _by_distance(table: Floats) -> list[tuple[float, int, int]]:
    pairs = [(a, b) for a in range(len(table)) for b in range(a + 1, len(table))]
    found = [(float(np.abs(table[a] - table[b]).sum()), a, b) for a, b in pairs]
    return sorted(found)[: 8 * len(table)]


def _move(
    total: Floats,
    cells: Cells,
    where: Sequence[Ints],
    table: Floats,
    codes: Sequence[int],
    row: Floats,
) -> bool:
    """Give some values another row, if their cells stay right."""
    for part in (slice(_FIRST), slice(_FIRST, None)):
        for code in codes:
            place = where[code][part]
            new = total[:, place] + (row - table[code])[:, None]
            if (new.argmax(axis=0) != cells.label[place]).any():
                return False
    for code in codes:
        total[:, where[code]] += (row - table[code])[:, None]
        table[code] = row
    return True


def settled(votes: Votes, cells: Cells) -> Votes:
    """The same argmax in the shortest numbers.

    Each table takes one of its rows away from all its rows, and the bias gets it; each row takes
    one of its numbers away from all its numbers. Of all these choices the shortest is taken.
    """
    tables, bias = [], votes.bias.copy()
    for table, is_table in zip(votes.tables, cells.is_table, strict=True):
        taken = np.unique(_level(table), axis=0) if is_table else np.zeros_like(table)
        choices = [_level(table - row) for row in taken]
        best = min(range(len(choices)), key=lambda k: _length(choices[k]))
        tables.append(choices[best])
        bias = bias + taken[best]
    return Votes(tuple(tables), bias - bias.min() + 0.0)  # no -0.0


def _level(table: Floats) -> Floats:
    """Each row less the one of its numbers that leaves the fewest digits."""
    rows = [row - row[_best_level(row)] for row in table]
    return np.stack(rows) + 0.0  # no zero is negative


def _best_level(row: Floats) -> int:
    return min(range(len(row)), key=lambda k: _length((row - row[k])[None]))


def _length(table: Floats) -> int:
    """How many characters the different rows of a table take."""
    rows = {tuple(row) for row in table.tolist()}
    return sum(len(f"{number:.0f}") for row in rows for number in row)


def weights_of(votes: Votes, op: Classify) -> Classify:
    """The readout with these weights."""
    weights = tuple(
        TableWeights(w.domain, tuple(map(tuple, t.tolist())))
        if isinstance(w, TableWeights)
        else NumberWeights(tuple(t[0].tolist()))
        for w, t in zip(op.weights, votes.tables, strict=True)
    )
    return Classify(op.labels, tuple(votes.bias.tolist()), weights)
