"""What is read from the residual stream: affine functions of its coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tpir.ir.program import Node


@dataclass(eq=False)
class Coordinate:
    """One number at each position, held by one direction of the residual stream for some layers.

    ``slot``: 0 for an embedding, odd for the attention and even for the MLP of a block, counted
    from 1. ``at_bos``: its value at the token of beginning, which is the same for every input.
    ``least``, ``most``: bounds of its values, ``error`` how far the weights may be off them,
    ``counts`` the counts that this comes from, and ``tables`` those that carry it on; ``relative``:
    by which part of its value it may be off at most, if that is known. ``whole``: whether its
    values are whole numbers.
    """

    name: str
    slot: int
    at_bos: float = 0.0
    least: float = 0.0
    most: float = 1.0
    error: float = 0.0
    counts: frozenset[Node] = frozenset()
    relative: float = math.inf
    tables: frozenset[Node] = frozenset()
    whole: bool = False

    @property
    def leaves_nothing(self) -> bool:
        """Whether what is taken out of the stream again leaves exactly 0."""
        return self.whole and self.error == 0 and max(-self.least, self.most) < 2**20


@dataclass(frozen=True)
class Feature:
    """A constant plus weighted coordinates."""

    constant: float = 0.0
    terms: Mapping[Coordinate, float] = field(default_factory=dict)

    @property
    def slot(self) -> int:
        """After which slot it can be read."""
        return max((c.slot for c in self.terms), default=0)

    @property
    def at_bos(self) -> float:
        """Its value at the token of beginning."""
        return self.constant + sum(w * c.at_bos for c, w in self.terms.items())

    @property
    def bounds(self) -> tuple[float, float]:
        """Bounds of its values, from those of its coordinates."""
        ends = [sorted((w * c.least, w * c.most)) for c, w in self.terms.items()]
        return self.constant + sum(a for a, _ in ends), self.constant + sum(b for _, b in ends)

    @property
    def error(self) -> float:
        """How far it may be off, from the errors of its coordinates."""
        return sum(abs(w) * c.error for c, w in self.terms.items())

    def plus(self, other: Feature, weight: float = 1.0) -> Feature:
        """The sum with ``weight`` times another feature."""
        return total([(self, 1.0), (other, weight)])

    def times(self, weight: float) -> Feature:
        """The feature multiplied."""
        return total([(self, weight)])

    def shifted(self, constant: float) -> Feature:
        """The feature plus a constant."""
        return Feature(self.constant + constant, self.terms)


def total(parts: Iterable[tuple[Feature, float]], constant: float = 0.0) -> Feature:
    """A weighted sum of features. Coordinates that cancel are left out."""
    terms: dict[Coordinate, float] = {}
    for feature, weight in parts:
        constant += weight * feature.constant
        for coordinate, w in feature.terms.items():
            terms[coordinate] = terms.get(coordinate, 0.0) + weight * w
    return Feature(constant, {c: w for c, w in terms.items() if w})
