"""Fitting a readout to labelled data: multinomial logistic regression, by L-BFGS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.ir.exact_sums import Floats
from tpir.passes.votes import Cells, Votes

_MEMORY = 12
_DECAY = 1e-3


def fitted(cells: Cells, weight: Floats, sizes: list[int], labels: int, steps: int = 120) -> Votes:
    """The votes that make the labels of cells likeliest, each cell counted ``weight`` times.

    ``sizes``: how many rows each feature has. Numbers are scaled to at most 1 while fitting.
    """
    design, starts, scales = _design(cells, sizes)
    target = np.eye(labels)[cells.label] * weight[:, None]

    def loss(flat: Floats) -> tuple[float, Floats]:
        matrix = flat.reshape(design.shape[1], labels)
        logits = design @ matrix
        logits -= logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        value = float((target * (total - logits)).sum() + _DECAY * (flat * flat).sum())
        slope = np.exp(logits - total) * weight[:, None] - target
        return value, (design.T @ slope).ravel() + 2 * _DECAY * flat

    found = _minimise(loss, np.zeros(design.shape[1] * labels), steps)
    matrix = found.reshape(design.shape[1], labels)
    tables = tuple(
        matrix[a:b] / scale for a, b, scale in zip(starts, starts[1:], scales, strict=False)
    )
    return Votes(tables, matrix[-1])


def _design(cells: Cells, sizes: list[int]) -> tuple[Floats, list[int], list[float]]:
    """One column for each row of each table, one for each number, and one of ones."""
    parts: list[Floats] = []
    starts, scales = [0], []
    for index, size, is_table in zip(cells.index, sizes, cells.is_table, strict=True):
        if is_table:
            part, scale = np.eye(size)[index.astype(np.intp)], 1.0
        else:
            numbers = index.astype(np.float64)
            scale = float(np.abs(numbers).max(initial=1.0)) or 1.0
            part = (numbers / scale)[:, None]
        parts.append(part)
        scales.append(scale)
        starts.append(starts[-1] + part.shape[1])
    parts.append(np.ones((cells.count, 1)))
    return np.concatenate(parts, axis=1), starts, scales


def _minimise(loss: object, start: Floats, steps: int) -> Floats:
    assert callable(loss)
    point = start
    value, slope = loss(point)
    pairs: list[tuple[Floats, Floats]] = []
    for _ in range(steps):
        direction = -_newton(slope, pairs)
        step, descent = 1.0, float(slope @ direction)
        if descent >= 0:
            break
        while True:
            new_value, new_slope = loss(point + step * direction)
            if new_value <= value + 1e-4 * step * descent or step < 1e-8:
                break
            step /= 2
        moved, turned = step * direction, new_slope - slope
        if float(moved @ turned) > 1e-12:
            pairs = [*pairs, (moved, turned)][-_MEMORY:]
        gained = value - new_value
        point, value, slope = point + moved, new_value, new_slope
        if gained < 1e-5 * abs(value):
            break
    return point


def _newton(slope: Floats, pairs: list[tuple[Floats, Floats]]) -> NDArray[np.float64]:
    """The slope times the inverse Hessian, as the last steps show it (two-loop recursion)."""
    if not pairs:
        return slope / max(1.0, float(np.sqrt(slope @ slope)))
    found = slope.copy()
    shares = []
    for moved, turned in reversed(pairs):
        share = float(moved @ found) / float(moved @ turned)
        found -= share * turned
        shares.append(share)
    moved, turned = pairs[-1]
    found *= float(moved @ turned) / float(turned @ turned)
    for (moved, turned), share in zip(pairs, reversed(shares), strict=True):
        found += moved * (share - float(turned @ found) / float(moved @ turned))
    return found
