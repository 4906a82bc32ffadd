"""Weights that give every cell its label: Newton's method on the squared hinge loss.

The loss of a cell is the sum, over the labels that are not its own, of max(0, 1 - lead)², where the
lead is the logit of its label less that of the other (Weston and Watkins 1998). It is convex and
piecewise quadratic, so Newton's method with an exact line search ends after few steps (Keerthi and
DeCoste 2005); where it is zero, every cell has its label with a lead of 1.

The first label has no weights: only differences of logits count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.ir.exact_sums import Floats

_DECAY = 1e-13
_DAMPING = 1e-8
_STEPS = 250
_PATIENCE = 25
_FAR = 0.03
"""It is given up if after ``_PATIENCE`` steps the loss is more than this for each cell."""

_SETTLED = 1e-6
_HALVINGS = 40


def separated(
    cells: Floats, label: NDArray[np.intp], weights: Floats, least: float
) -> Floats | None:
    """Weights (column, label but the first) by which labels lead by ``least``, or None.

    ``cells``: (cell, column), best with columns that are orthonormal. ``weights`` are those to
    start from. None where the loss has its minimum above 0, or is too far from it.
    """
    loss = _Loss(cells, label, weights.shape[1] + 1)
    lacking = 1 - leads(cells, label, weights)
    for step in range(_STEPS):
        short = np.maximum(lacking, 0)
        value = float((short * short).sum())
        if short.max(initial=0) <= 1 - least:
            return weights
        far = step >= _PATIENCE and value > _FAR * len(label)
        if far or not np.isfinite(value):
            return None
        slope = loss.slope(short, weights)
        move = loss.newton_step(short, slope)
        descent = -float((slope * move).sum())
        if descent < _SETTLED * value:
            return None
        gained = leads(cells, label, move)
        size = _best_size(lacking, gained, weights, move)
        weights, lacking = weights + size * move, lacking - size * gained
    return None


def _best_size(lacking: Floats, gained: Floats, weights: Floats, move: Floats) -> float:
    """How far along a move the loss is least: its slope there is piecewise linear, and grows."""
    low, high, size = 0.0, np.inf, 1.0
    straight, curved = float((weights * move).sum()), float((move * move).sum())
    for _ in range(_HALVINGS):
        left = lacking - size * gained
        active = left > 0
        rate = gained[active]
        slope = -float(left[active] @ rate) + _DECAY * (straight + size * curved)
        bend = float(rate @ rate) + _DECAY * curved
        low, high = (low, size) if slope > 0 else (size, high)
        new = size - slope / bend
        if high == np.inf:
            new = min(new, 100 * size)
        elif not low < new < high:
            new = (low + high) / 2
        if abs(new - size) < 1e-9 * size:
            break
        size = new
    return size


def leads(cells: Floats, label: NDArray[np.intp], weights: Floats) -> Floats:
    """By how much each cell's label leads: (cell, label), infinite for its own.

    ``weights``: (column, label but the first).
    """
    logits = np.zeros((len(label), weights.shape[1] + 1))
    logits[:, 1:] = cells @ weights
    each = np.arange(len(label))
    found: Floats = logits[each, label][:, None] - logits
    found[each, label] = np.inf
    return found


class _Loss:
    def __init__(self, cells: Floats, label: NDArray[np.intp], labels: int) -> None:
        self.cells, self.label, self.labels = cells, label, labels
        self._each = np.arange(len(label))
        self._of_label = [np.flatnonzero(label == k) for k in range(labels)]

    def slope(self, short: Floats, weights: Floats) -> Floats:
        pull = 2 * short
        pull[self._each, self.label] = -pull.sum(axis=1)
        found: Floats = (self.cells.T @ pull)[:, 1:] + 2 * _DECAY * weights
        return found

    def newton_step(self, short: Floats, slope: Floats) -> Floats:
        """The step to where the quadratic that holds here is least."""
        columns, labels = slope.shape[0], self.labels
        curved = np.zeros((labels, columns, labels, columns))
        for own in range(labels):
            for other in range(labels):
                of_own = self._of_label[own]
                part = self.cells[of_own[short[of_own, other] > 0]]
                if other == own or not len(part):
                    continue
                square = 2 * (part.T @ part)
                curved[own, :, own] += square
                curved[other, :, other] += square
                curved[own, :, other] -= square
                curved[other, :, own] -= square
        size = (labels - 1) * columns
        matrix = np.ascontiguousarray(curved[1:, :, 1:]).reshape(size, size)
        matrix[np.diag_indices_from(matrix)] += _DAMPING
        step = np.linalg.solve(matrix, -slope.T.ravel())
        return np.ascontiguousarray(step.reshape(labels - 1, columns).T)
