"""How exact the weights are: where errors come from, how they grow, what is refused.

With u = 2^-24 for float32 (2^-53 for float64), half a unit in the last place of 1:

- Embedded numbers are exact where they are whole; else they are off by u times their size.
- A weighted sum of k numbers and a constant is off by (k + 1) u times the sum of what is added up,
  without signs. It is exact if all are whole, or one number times a power of two.
- Scores are sums of products of small whole numbers, hence exact, while every partial sum stays
  below 1/u; so keys that are selected together have the *same* score. Where a feature is off by e,
  scores are off by ``GAP`` x the other side's largest value x e.
- What is not selected scores at least ``GAP`` less. Its weight, exp(-``GAP``) for each key, is less
  than u / 100 even for 2^20 keys: GAP >= ln(2^20 x 100 / u) = 35.1 for float32, 55.2 for float64.
- A head that counts n keys writes 1 / (1 + n). With scores off by d the weights, and so the number,
  are off by the relative error 2d + 4u. It is told from its neighbour, 1 / (2 + n), while that is
  less than 1 / (4 (n + 2)).
- A mean is off by what its values are off, plus their spread times that relative error.
- A head that chooses one key needs scores that are off by less than a quarter of ``GAP``.
- Numbers that are off by e are told apart where they are at least 4e from each other. Those from
  which the same follows, such as sums in another order, need not be.
- A sum of relus is off by its slope times what the number is off, plus 4u times the largest sum of
  its terms without signs; for whole numbers whose terms stay below 1/u it is exact.

Errors do not pile up along a program, as nodes can be made *firm* where errors would otherwise grow
too large:

- A count is looked up: a head finds the position whose number is nearest, and reads from the
  position's embedding, exactly, what is asked of the count. That takes a block more.
- Where no count is to blame, such as after a mean, a table is made of switches (switches.py), which
  are exact. That takes a block more, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tpir.backends.transformer.features import Coordinate, Feature
from tpir.ir.program import Node

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}

MOST_OFF = 1e-6
"""Where a number might be off by more, it takes more units, or counts that are looked up."""


@dataclass(frozen=True)
class Budget:
    """The rounding of one number type, and what follows from it."""

    dtype: str

    @property
    def unit(self) -> float:
        """Half a unit in the last place of 1."""
        return UNIT[self.dtype]

    @property
    def gap(self) -> float:
        """How much less than the selected keys the others score, in units of the softmax."""
        return 36.0 if self.dtype == "float32" else 56.0

    def error(self, feature: Feature) -> float:
        """How far a feature may be off."""
        terms = feature.terms.items()
        exact = all(c.whole and c.error == 0 for c in feature.terms)
        if exact and all(map(_whole, (feature.constant, *feature.terms.values()))):
            return feature.error
        if feature.constant == 0 and len(terms) == 1 and all(_is_shift(w) for _, w in terms):
            return feature.error
        size = abs(feature.constant) + sum(abs(w) * _size(c) for c, w in terms)
        return feature.error + (len(terms) + 1) * self.unit * size

    def relative(self, feature: Feature) -> float:
        """By which part of its value a feature may be off; infinite where terms may cancel."""
        terms = feature.terms.items()
        if feature.constant < 0 or any(min(w * c.least, w * c.most) < 0 for c, w in terms):
            return math.inf
        worst = max((0.0 if c.error == 0 else c.relative for c in feature.terms), default=0.0)
        return worst + 2 * self.unit * (len(feature.terms) + 1)


def noisy(features: Iterable[Feature]) -> frozenset[Node]:
    """The counts that make the features inexact."""
    coordinates = {c for f in features for c in f.terms if c.error > 0}
    return frozenset(n for c in coordinates for n in c.counts)


def carried(features: Iterable[Feature]) -> frozenset[Node]:
    """The tables that the features' errors come through last."""
    return frozenset(t for f in features for c in f.terms if c.error > 0 for t in c.tables)


def _whole(number: float) -> bool:
    """Whole numbers, and the simple parts of them that bases are made with."""
    return number * 1024 == int(number * 1024)


def _is_shift(number: float) -> bool:
    """Powers of two: what they multiply is not rounded."""
    return abs(math.frexp(number)[0]) == 0.5


def _size(coordinate: Coordinate) -> float:
    return max(abs(coordinate.least), abs(coordinate.most))
