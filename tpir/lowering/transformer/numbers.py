"""Telling numbers apart that weights only hold rounded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

MOST_PARTS = 64
"""Fractions with a greater denominator are taken for the floats that they are."""


DIGITS = 6
"""The most digits of a short decimal."""


def snapped(number: float, tolerance: float) -> float:
    """The simplest number within the tolerance.

    Tried in turn: a whole one, a simple fraction, a short decimal, itself.
    """
    whole = round(number)
    if abs(number - whole) <= tolerance:
        return float(whole)
    near = float(Fraction(number).limit_denominator(MOST_PARTS))
    if abs(number - near) <= tolerance:
        return near
    for digits in range(1, DIGITS + 1):
        decimal = float(f"{number:.{digits}g}")
        if abs(number - decimal) <= tolerance:
            return decimal
    return number


def settled(number: float, tolerance: float) -> float:
    """The number as weights hold it again: whole, a simple fraction, or else few binary digits."""
    whole = round(number)
    if abs(number - whole) <= tolerance:
        return float(whole)
    near = float(Fraction(number).limit_denominator(MOST_PARTS))
    if abs(number - near) <= tolerance:
        return near
    if not tolerance:
        return number
    step = 2.0 ** math.floor(math.log2(tolerance / 4))
    return round(number / step) * step


def clusters(column: Floats, tolerance: float) -> Codes:
    """For each number the place of its cluster; clusters lie further apart than the tolerance."""
    order = np.argsort(column, kind="stable")
    steps = np.diff(column[order], prepend=column[order[:1]]) > tolerance
    found = np.empty(len(column), dtype=np.intp)
    found[order] = np.cumsum(steps)
    return found


def row_classes(rows: Floats, tolerances: Floats | float = 0.0) -> Codes:
    """For each row the number of its class, in order of first appearance.

    Rows of one class are within ``tolerances`` [columns] of each other, in chains.
    """
    limits = np.broadcast_to(np.asarray(tolerances, dtype=float), (rows.shape[1],))
    columns = [clusters(c, float(t)) for c, t in zip(rows.T, limits, strict=True)]
    columns = [c for c in columns if c.any()]
    if not columns:
        return np.zeros(len(rows), dtype=np.intp)
    _, found = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return by_appearance(found.reshape(-1))


def by_appearance(classes: NDArray[np.integer]) -> Codes:
    """The same classes, numbered in the order in which they first appear."""
    _, first, codes = np.unique(classes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    found: Codes = rank[codes.reshape(-1)]
    return found


def firsts(classes: Codes) -> Codes:
    """Where each class first appears."""
    return np.unique(classes, return_index=True)[1].astype(np.intp)


def whole_numbers(column: Floats, tolerance: float) -> list[int] | None:
    """The column as whole numbers, if it holds nothing else."""
    whole = np.round(column)
    if np.abs(column - whole).max(initial=0.0) > tolerance:
        return None
    return [int(x) for x in whole]


def grid(sizes: Sequence[int]) -> Codes:
    """All rows of a product, the last place running fastest [rows, sizes]."""
    if not sizes:
        return np.zeros((1, 0), dtype=np.intp)
    return np.indices(tuple(sizes)).reshape(len(sizes), -1).T.astype(np.intp)
