"""Selectors for a batch: which keys each query selects, all queries at once or some at a time.

Short inputs have one matrix. On long ones a selector is computed anew for each of its readers, a
block of queries after the other, so that no array over all pairs of positions is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

CELLS = 2**19
"""Arrays over (query, key) pairs have about this many entries at most: what the cache holds."""

HEAVY = 32
"""A selector of long inputs made of more selectors than this is kept, as bits, for its readers."""

Matrix = NDArray[np.bool_]
"""Shape (query, key, batch), true where the key is selected; an axis of size 1 broadcasts."""

Rule = Callable[[slice, list[Matrix]], Matrix]
"""The matrix of some queries, from the matrices of the same queries of what it is made of."""


class Selection:
    """The keys that each query selects, for a batch of inputs of one length.

    ``whole`` is the matrix of all queries where that is small; ``blocks`` always works.
    """

    def __init__(
        self, length: int, batch: int, rule: Rule, parts: Sequence[Selection] = ()
    ) -> None:
        self.length = length
        self.batch: int = max([batch, *(part.batch for part in parts)])
        self.whole: Matrix | None = None
        self._rows = max(1, CELLS // (length * self.batch))
        if self._rows >= length:
            everything = slice(0, length)
            self.whole = rule(everything, [part.block(everything) for part in parts])
            parts = ()
        self._rule, self._parts = rule, tuple(parts)
        self._weight: int = 1 + sum(part._weight for part in parts)

    def blocks(self) -> Iterator[tuple[slice, Matrix]]:
        """Consecutive stretches of queries, and the matrix of each."""
        if self.whole is not None:
            yield slice(0, self.length), self.whole
            return
        for start in range(0, self.length, self._rows):
            rows = slice(start, min(start + self._rows, self.length))
            yield rows, self.block(rows)

    def block(self, rows: slice) -> Matrix:
        """The matrix of some queries."""
        if self.whole is not None:
            return self.whole[rows]
        held: dict[Selection, Matrix] = {}
        for selection, done in self._steps:
            parts = selection._parts
            matrices = [held[p] if p.whole is None else p.whole[rows] for p in parts]
            held[selection] = selection._rule(rows, matrices)
            for part in done:
                del held[part]
        return held[self]

    def kept(self) -> Selection:
        """The same, computed now and held as bits if it is long and made of many."""
        if self.whole is not None or self._weight <= HEAVY:
            return self
        length = self.length
        bits = np.concatenate([np.packbits(matrix, axis=1) for _, matrix in self.blocks()])
        return Selection(
            length,
            self.batch,
            lambda rows, _: np.unpackbits(bits[rows], axis=1, count=length).view(np.bool_),
        )

    @cached_property
    def _steps(self) -> list[tuple[Selection, list[Selection]]]:
        """What to compute, parts first; beside each the parts that nothing after it needs.

        Not by recursion: a selector may be made of thousands.
        """
        order: dict[Selection, None] = {}
        stack = [(self, False)]
        while stack:
            selection, ready = stack.pop()
            if ready:
                order[selection] = None
            elif selection.whole is None and selection not in order:
                stack.append((selection, True))
                stack.extend((part, False) for part in selection._parts)
        steps: list[tuple[Selection, list[Selection]]] = []
        needed: set[Selection] = set()
        for selection in reversed(order):
            last = {p: None for p in selection._parts if p.whole is None and p not in needed}
            needed.update(last)
            steps.append((selection, list(last)))
        return steps[::-1]


@dataclass(frozen=True, eq=False)
class HardSelection:
    """At most one key for each query: its position, -1 for none; shape (query, batch)."""

    position: NDArray[np.intp]
    total: bool
    """Whether it is known that there is no -1."""

    @cached_property
    def selection(self) -> Selection:
        """The same as any selector."""
        position = self.position
        length, batch = position.shape
        keys = np.arange(length)[None, :, None]
        return Selection(length, batch, lambda rows, _: np.equal(position[rows, None], keys))


def selection_of(state: object) -> Selection:
    """What the node of a selector holds, as something to read in blocks."""
    if isinstance(state, HardSelection):
        return state.selection
    assert isinstance(state, Selection)
    return state


def dense(state: object) -> Matrix:
    """A selector as one matrix of shape (query, key, batch), however large."""
    matrices = [matrix for _, matrix in selection_of(state).blocks()]
    return matrices[0] if len(matrices) == 1 else np.concatenate(matrices)
