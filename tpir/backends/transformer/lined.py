"""What hidden units make: functions of one number, and sums of ridges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.basis import Column
from tpir.backends.transformer.budget import noisy
from tpir.backends.transformer.features import Feature
from tpir.backends.transformer.forms import refusal
from tpir.backends.transformer.hinges import hinges
from tpir.backends.transformer.plan import Mlp, Unit
from tpir.backends.transformer.switches import Switches
from tpir.backends.transformer.tables import Ridge
from tpir.ir.program import Node

if TYPE_CHECKING:
    from tpir.backends.transformer.planner import Planner

from tpir.backends.transformer.held import are_whole, is_whole

Floats = NDArray[np.float64]

MOST_ROUNDING = 0.125
"""Coordinates that hold codes are whole numbers, and may be off by this much."""

TOO_ROUGH = "its arguments are too rough to be told apart"


class Lined:
    """Columns of a node as functions of one feature, made by the hidden units of an MLP.

    Those of a firm node by two MLPs, see Switches.
    """

    def __init__(self, planner: Planner, node: Node, columns: tuple[Column, ...]) -> None:
        self.planner, self.node = planner, node
        self.firm = node in planner.firm
        self.held = planner.held(node, columns)

    def build(
        self, line: Feature, points: Floats, codes: NDArray[np.intp], relative: float = 0.0
    ) -> None:
        """``points`` of the feature, and for each of them the place of the node's value.

        The feature is off by its own error or, if that is given, by a relative one.
        """
        order = np.argsort(points, kind="stable")
        points, values = points[order], self.held.basis.rows[codes[order]]
        first = np.concatenate([[True], np.diff(points) > 0])
        group = np.cumsum(first) - 1
        if (values != values[first][group]).any():
            raise refusal(self.node, "different values have the same number")
        points, values = points[first], values[first]
        error = self.planner.budget.error(line)
        off = np.abs(points) * relative if relative else np.full(len(points), error)
        near = np.maximum(off[1:], off[:-1]) > np.diff(points) / 4
        told_apart = not (near & (np.diff(values, axis=0) != 0).any(axis=1)).any()
        if not told_apart:
            self.planner.too_inexact(self.node, [line], TOO_ROUGH)
        if self.firm:
            Switches(self.planner, self.held).along(line, points, values)
            return
        slot = line.slot + 2 - line.slot % 2
        coordinates = self.held.make(slot)
        bends = hinges(points, values)
        if told_apart:
            self._check(line, points, values, bends.largest, off)
        units = []
        for threshold, row in zip(bends.thresholds.tolist(), bends.weights.tolist(), strict=True):
            output = tuple((c, w) for c, w in zip(coordinates, row, strict=True) if w)
            inner = line.shifted(-threshold).times(bends.sign)
            units.append(Unit(inner, output))
        constants = dict(zip(coordinates, bends.constant.tolist(), strict=True))
        for k, coordinate in enumerate(coordinates):
            at_bos = bends.sign * (line.at_bos - bends.thresholds)
            coordinate.at_bos = float(
                bends.constant[k] + np.maximum(at_bos, 0) @ bends.weights[:, k]
            )
        self.planner.plan.mlps.append(Mlp(slot, units, constants))

    def build_ridges(self, base: Floats, ridges: list[tuple[Feature, Feature, Ridge]]) -> None:
        """The sum of ``base`` and the ridges, whose gates and other features are given."""
        budget = self.planner.budget
        features = [gate.plus(rest) for gate, rest, _ in ridges]
        errors = []
        for gate, rest, ridge in ridges:
            off = budget.error(gate) + budget.error(rest)
            whole = off == 0 and all(map(are_whole, (*ridge.columns, tuple(ridge.value))))
            errors.append(off + (0.0 if whole else 4 * budget.unit * ridge.size))
        told_apart = max(errors, default=0.0) <= MOST_ROUNDING
        if not told_apart:
            self.planner.too_inexact(self.node, features, TOO_ROUGH)
        if self.firm:
            boxes = [(f, ridge) for f, (_, _, ridge) in zip(features, ridges, strict=True)]
            Switches(self.planner, self.held).of_boxes(base, boxes)
            return
        slot = max((f.slot for f in features), default=0)
        coordinates = self.held.make(slot + 2 - slot % 2)
        units = []
        for feature, (_, _, ridge) in zip(features, ridges, strict=True):
            row = zip(coordinates, ridge.value.tolist(), strict=True)
            units.append(Unit(feature, tuple((c, w) for c, w in row if w)))
        constants = dict(zip(coordinates, base.tolist(), strict=True))
        inside = np.maximum([f.at_bos for f in features], 0)
        sizes = []
        for k, coordinate in enumerate(coordinates):
            column = np.array([ridge.value[k] for _, _, ridge in ridges])
            coordinate.at_bos = float(base[k] + inside @ column)
            sizes.append(float(np.array(errors) @ np.abs(column)))
            if told_apart and base[k] == 0 and (column >= 0).all():
                coordinate.relative = self._relative(ridges, column)
        if told_apart:
            self._set_errors(sizes, features)
        self.planner.plan.mlps.append(Mlp(slot + 2 - slot % 2, units, constants))

    def _relative(self, ridges: list[tuple[Feature, Feature, Ridge]], column: Floats) -> float:
        """Of ridges that add up without cancelling: what opens them adds exactly 0."""
        budget = self.planner.budget
        read = [(g, r) for (g, r, _), w in zip(ridges, column.tolist(), strict=True) if w]
        if any(gate.constant or budget.error(gate) for gate, _ in read):
            return math.inf
        worst = max((budget.relative(rest) for _, rest in read), default=0.0)
        return worst + 4 * budget.unit * (len(read) + 1)

    def _check(
        self, line: Feature, points: Floats, values: Floats, largest: float, off: Floats
    ) -> None:
        """How far the coordinates are off, where the line is ``off`` at its points."""
        budget = self.planner.budget
        slopes = np.abs(np.diff(values, axis=0)) / np.diff(points)[:, None]
        steepest = (
            np.maximum(np.pad(slopes, ((0, 1), (0, 0))), np.pad(slopes, ((1, 0), (0, 0))))
            * off[:, None]
        )
        exact = not off.any() and largest < 1 / budget.unit and is_whole(points, values)
        rounded = 0.0 if exact else 4 * budget.unit * largest
        if rounded > MOST_ROUNDING:
            what = "its table is too large for the number type"
            self.planner.too_inexact(self.node, [line], what)
            return
        self._set_errors((steepest.max(axis=0, initial=0.0) + rounded).tolist(), [line])

    def _set_errors(self, errors: Sequence[float], read: Sequence[Feature]) -> None:
        """How far coordinates are off; and what would help: counts, or this table if it is firm."""
        for coordinate, error in zip(self.held.coordinates, errors, strict=True):
            coordinate.error = error
            coordinate.counts, coordinate.tables = noisy(read), frozenset({self.node})
