"""Weights that give every cell its label: Newton's method on the squared hinge loss.

The loss of a cell is the sum, over the labels that are not its own, of max(0, 1 - lead)², where the
lead is the logit of its label less that of the other (Weston and Watkins 1998). It is convex and
piecewise quadratic, so Newton's method ends after few steps (Keerthi and DeCoste 2005); where it
is zero, every cell has its label with a lead of 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.ir.exact_sums import Floats

_DECAY = 1e-9
_STEPS = 60
_PATIENCE = 10
_HALVINGS = 15


def separated(
    cells: Floats, label: NDArray[np.intp], weights: Floats, least: float
) -> Floats | None:
    """Weights (column, label) by which every label leads by ``least``; None if none are found.

    ``cells``: (cell, column). ``weights`` are those to start from. It is given up where several
    steps on end leave as many cells wrong.
    """
    loss = _Loss(cells, label)
    logits = cells @ weights
    short = loss.shortfall(logits)
    value, fewest, since = loss.value(short, weights), len(label) + 1, 0
    for _ in range(_STEPS):
        wrong = int((short > 1 - least).any(axis=1).sum())
        if not wrong:
            return weights
        since = 0 if wrong < fewest else since + 1
        fewest = min(fewest, wrong)
        if since > _PATIENCE:
            return None
        slope = loss.slope(short, weights)
        step = loss.newton_step(short, slope)
        moved, descent, size = cells @ step, float((slope * step).sum()), 1.0
        for _ in range(_HALVINGS):
            new, new_short = weights + size * step, loss.shortfall(logits + size * moved)
            new_value = loss.value(new_short, new)
            if new_value <= value + 1e-3 * size * descent:
                break
            size /= 2
        if value - new_value < 1e-7 * value:
            return None
        weights, logits, short, value = new, logits + size * moved, new_short, new_value
    return None


class _Loss:
    def __init__(self, cells: Floats, label: NDArray[np.intp]) -> None:
        self.cells, self.label = cells, label
        self._each = np.arange(len(label))

    def shortfall(self, logits: Floats) -> Floats:
        """How much each lead lacks to 1: (cell, label), 0 for the cell's own."""
        short: Floats = 1 - logits[self._each, self.label][:, None] + logits
        short[self._each, self.label] = 0
        return np.maximum(short, 0)

    def value(self, short: Floats, weights: Floats) -> float:
        return float((short * short).sum()) + _DECAY * float((weights * weights).sum())

    def slope(self, short: Floats, weights: Floats) -> Floats:
        pull = 2 * short
        pull[self._each, self.label] = -pull.sum(axis=1)
        found: Floats = self.cells.T @ pull + 2 * _DECAY * weights
        return found

    def newton_step(self, short: Floats, slope: Floats) -> Floats:
        """The step to where the quadratic that holds here is least."""
        columns, labels = slope.shape
        curved = np.zeros((labels, columns, labels, columns))
        for own in range(labels):
            of_label = np.flatnonzero(self.label == own)
            for other in range(labels):
                part = self.cells[of_label[short[of_label, other] > 0]]
                if other == own or not len(part):
                    continue
                square = 2 * (part.T @ part)
                curved[own, :, own] += square
                curved[other, :, other] += square
                curved[own, :, other] -= square
                curved[other, :, own] -= square
        matrix = curved.reshape(labels * columns, labels * columns)
        matrix[np.diag_indices_from(matrix)] += 2 * _DECAY
        step = np.linalg.solve(matrix, -slope.T.ravel())
        return np.ascontiguousarray(step.reshape(labels, columns).T)
