"""Functions of one number as sums of relus: what a hidden layer is for.

A function of finitely many points is drawn as a line through them, so that a unit is needed only
where its slope changes; left of the first point (or right of the last, seen from there) it is
constant. Between two points nothing is ever asked, and next to a point the line is off by its slope
times what the number is off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Hinges:
    """f(x) = constant + sum over units of weight x relu(sign x (x - threshold)).

    Shapes: ``thresholds`` [units], ``weights`` [units, outputs], ``constant`` [outputs].
    """

    sign: float
    thresholds: Floats
    weights: Floats
    constant: Floats
    slope: float
    largest: float
    """The steepest slope; and the largest sum of terms without their signs, for any point."""


def hinges(points: Floats, values: Floats) -> Hinges:
    """The units for ``values`` [points, outputs] at rising ``points``, from the better side.

    Rising or falling: the side with fewer units, then the one whose terms are smaller, as they are
    what rounding is relative to.
    """
    rising = _from_the_left(points, values, 1.0)
    falling = _from_the_left(-points[::-1], values[::-1], -1.0)
    return min((rising, falling), key=lambda h: (len(h.thresholds), h.largest))


def _from_the_left(points: Floats, values: Floats, sign: float) -> Hinges:
    slopes = (values[1:] - values[:-1]) / (points[1:] - points[:-1])[:, None]
    changes = slopes.copy()
    changes[1:] -= slopes[:-1]
    kept = np.flatnonzero(np.abs(changes).max(axis=1, initial=0.0) > 0)
    weights, thresholds = changes[kept], points[:-1][kept]
    terms = (points[-1] - thresholds) @ np.abs(weights)  # they only grow to the right
    return Hinges(
        sign,
        sign * thresholds,
        weights,
        values[0],
        float(np.abs(slopes).max(initial=0.0)),
        float(terms.max(initial=0.0)),
    )
