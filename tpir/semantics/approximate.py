"""Numbers that are right up to rounding, as a Transformer's weights give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-4
"""How far two such numbers may be apart: of the larger one, or in itself where that is below 1."""


def far_apart(left: NDArray[np.generic], right: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where numbers differ by more than rounding; what is not finite is far from everything."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        allowed = TOLERANCE * np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
        distance = np.abs(a - b)
        close: NDArray[np.bool_] = np.isfinite(distance) & (distance <= allowed)
    return ~close
