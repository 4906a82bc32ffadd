"""What does not depend on errors, and is worked out once for all plans of a program."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.basis import Basis, Column, basis_of
from tpir.backends.transformer.budget import MOST_OFF, Budget
from tpir.backends.transformer.held import is_whole
from tpir.backends.transformer.tables import Line, Ridges, boxes_of, gates_of, line_of

Floats = NDArray[np.float64]


class Cache:
    """Bases of columns, and the hidden units of tables; equal ones are found once."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._bases: dict[tuple[tuple[Column, ...], int, frozenset[Column]], Basis] = {}
        self._tables: dict[tuple[bytes, tuple[int, ...], bool], Line | Ridges] = {}

    def basis(self, columns: tuple[Column, ...], size: int, bare: Collection[Column]) -> Basis:
        """See ``basis_of``."""
        key = (columns, size, frozenset(bare))
        if key not in self._bases:
            self._bases[key] = basis_of(columns, size, bare)
        return self._bases[key]

    def table(self, values: Floats, *, firm: bool) -> Line | Ridges:
        """Whichever has fewer units for ``values`` [arguments…, outputs]; see Switches for firm."""
        key = (values.tobytes(), values.shape, firm)
        if key not in self._tables:
            self._tables[key] = self._table(values, firm)
        return self._tables[key]

    def _table(self, values: Floats, firm: bool) -> Line | Ridges:
        line = line_of(values)
        gates = [] if firm else gates_of(values)  # boxes are 0 or 1, gates are not
        ridges = min([boxes_of(values), *gates], key=self._cost)
        rounding = 4 * self._budget.unit * line.largest
        whole = line.largest < 1 / self._budget.unit and is_whole(line.points, values)
        fewer = len(ridges.ridges) < line.units
        return ridges if fewer or (not whole and rounding > MOST_OFF) else line

    def _cost(self, ridges: Ridges) -> tuple[bool, tuple[int, int]]:
        rounding = 4 * self._budget.unit * ridges.rounds
        return rounding > MOST_OFF, ridges.cost
