"""The fewest coordinates from which all the functions of a value that are asked for can be read.

A value of a finite domain is held by numbers; readers need functions of it, *columns*: one number
for each value of the domain. Up to constants, which every reader can add, the columns span a space.
Its dimension is how many coordinates are needed: a truth value takes one, a number that is only
added one, a number that is also squared two, and a value that must be told from every other value
as many as there are values, less one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Column = tuple[float, ...]
Floats = NDArray[np.float64]

IDENTITY: Column = ()
"""Stands for the number itself where the values of a node are too many to list."""

MOST_EXACT = 4_096
"""Above so many numbers in all columns, values get a coordinate each without a look at the rank."""


@dataclass(frozen=True)
class Basis:
    """Coordinates of the values of a domain, and how each column is read from them.

    ``rows`` [values, coordinates]; ``readings``: for a column its constant and its weights.
    """

    rows: Floats
    readings: dict[Column, tuple[float, Floats]]

    @property
    def size(self) -> int:
        """How many coordinates."""
        return int(self.rows.shape[1])


def basis_of(columns: Sequence[Column], size: int, bare: Collection[Column] = ()) -> Basis:
    """The smallest basis: chosen columns where they are fewer, else one coordinate for a class.

    Values with the same entries in all columns are one class; one class is where all coordinates
    are 0. Chosen columns count only if they give the others by exact arithmetic. A column that is
    to be ``bare`` is read without a constant: then its zeros are sums of zeros, and nothing that is
    added to them is rounded on their scale.
    """
    matrix = np.array(columns, dtype=np.float64).reshape(len(columns), size)
    classes, codes = np.unique(matrix.T, axis=0, return_inverse=True)
    codes = codes.reshape(size)
    first = codes[_reference(matrix)] if columns else 0
    kept = any(classes[first, k] for k, column in enumerate(columns) if column in bare)
    others = [c for c in range(len(classes)) if kept or c != first]
    if columns and matrix.size <= MOST_EXACT:
        chosen = _chosen(matrix, len(others), [column in bare for column in columns])
        if chosen is not None:
            return chosen
    rows = (codes[:, None] == np.array(others, dtype=np.intp)[None, :]).astype(np.float64)
    readings = {}
    for k, column in enumerate(columns):
        base = 0.0 if kept else classes[first, k]
        readings[column] = (float(base), classes[others, k] - base)
    return Basis(rows.reshape(size, len(others)), readings)


def _reference(matrix: Floats) -> int:
    """The value at which all coordinates are 0: where columns are small, so that none cancels."""
    return int(np.abs(matrix).sum(axis=0).argmin())


def _chosen(matrix: Floats, most: int, bare: Sequence[bool]) -> Basis | None:
    """Columns that give the others, if they are fewer than ``most``."""
    reduced: list[tuple[list[Fraction], list[Fraction], int]] = []
    readings: dict[Column, tuple[float, Floats]] = {}
    picked: list[int] = []
    combos: list[tuple[Column, Fraction, list[Fraction]]] = []
    bases = np.where(bare, 0.0, matrix[:, _reference(matrix)])
    for k, column in enumerate(matrix.tolist()):
        base = Fraction(bases[k])
        rest = [Fraction(x) - base for x in column]
        weights = [Fraction(0)] * len(picked)
        for vector, made_of, pivot in reduced:
            factor = rest[pivot]
            if factor:
                rest = [a - factor * b for a, b in zip(rest, vector, strict=True)]
                for place, w in enumerate(made_of):
                    weights[place] += factor * w
        leading = next((i for i, x in enumerate(rest) if x), None)
        if leading is not None:
            picked.append(k)
            if len(picked) >= most:
                return None
            scale = rest[leading]
            vector = [x / scale for x in rest]
            made_of = [-w / scale for w in weights] + [1 / scale]
            reduced.append((vector, made_of, leading))
            weights = [Fraction(0)] * (len(picked) - 1) + [Fraction(1)]
        combos.append((tuple(column), base, weights))
    rows = np.stack([matrix[k] - bases[k] for k in picked], axis=1) if picked else None
    if rows is None:
        rows = np.zeros((matrix.shape[1], 0))
    for column_, base, weights in combos:
        padded = weights + [Fraction(0)] * (len(picked) - len(weights))
        if any(Fraction(float(w)) != w or w.denominator > 2**10 for w in padded):
            return None
        readings[column_] = (float(base), np.array([float(w) for w in padded]))
    return Basis(rows, readings)
