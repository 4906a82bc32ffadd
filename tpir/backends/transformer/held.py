"""Coordinates that hold a basis of the functions that are asked for."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.basis import IDENTITY, ROUNDING, Basis, Column, basis_of
from tpir.backends.transformer.features import Coordinate, Feature
from tpir.ir.program import Node
from tpir.ir.types import number_bounds

Floats = NDArray[np.float64]


class Held:
    """Coordinates that hold a basis of columns."""

    def __init__(
        self, name: str, columns: tuple[Column, ...], size: int, bare: Collection[Column] = ()
    ) -> None:
        self.name = name
        self.basis: Basis = basis_of(columns, size, bare)
        self.coordinates: list[Coordinate] = []
        self.bounds: tuple[float, float] | None = None

    @classmethod
    def number(cls, node: Node) -> Held:
        """One coordinate for a number of unlisted values."""
        held = cls(node.name, (), 1)
        held.basis = Basis(np.zeros((0, 1)), {IDENTITY: (0.0, np.ones(1))})
        held.bounds = number_bounds(node.type)
        return held

    def make(self, slot: int) -> list[Coordinate]:
        """New coordinates."""
        for k in range(self.basis.size):
            column = self.basis.rows[:, k]
            name = self.name if self.basis.size == 1 else f"{self.name}#{k}"
            least, most = self.bounds or (float(column.min()), float(column.max()))
            coordinate = Coordinate(name, slot, 0.0, least, most)
            coordinate.whole = len(column) > 0 and are_whole(tuple(column))
            self.coordinates.append(coordinate)
        return self.coordinates

    def columns(self) -> list[Column]:
        """What each coordinate holds, for each value."""
        return [tuple(map(float, column)) for column in self.basis.rows.T]

    def feature(self, column: Column) -> Feature:
        """How a column is read from the coordinates."""
        constant, weights = self.basis.readings[column]
        pairs = zip(self.coordinates, weights.tolist(), strict=True)
        return Feature(constant, {c: w for c, w in pairs if w})


def are_whole(column: Column | None) -> bool:
    """Whether a column, if there is one, holds whole numbers."""
    return column is None or all(x == int(x) for x in column)


def is_whole(points: Floats, values: Floats) -> bool:
    """Whether a function maps whole numbers to whole numbers."""
    return bool((points == np.round(points)).all() and (values == np.round(values)).all())


def affine_in(points: Column, column: Column) -> tuple[float, float] | None:
    """constant and weight with column = constant + weight x points, but for rounding of floats."""
    if column == points:
        return 0.0, 1.0
    k = next((k for k, p in enumerate(points) if p != points[0]), None)
    if k is None:
        return None
    weight = (column[k] - column[0]) / (points[k] - points[0])
    constant = column[0] - weight * points[0]
    off = max(abs(constant + weight * p - c) for p, c in zip(points, column, strict=True))
    return (constant, weight) if off <= ROUNDING * max(map(abs, column)) else None
