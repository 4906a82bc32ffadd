"""Tables that do not carry errors on: switches that are exactly off or exactly on.

A switch takes the hidden units of two MLPs. The first makes relu(x), which is exactly 0 where x is
below 0, however far it is off; the second makes relu(1 - 8 / gap x), which is exactly 1 there, and
exactly 0 where x is gap / 4 or more. A table is what it is where all switches are off, and what
each of them adds: of whole numbers, an exact sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.features import Coordinate, Feature
from tpir.backends.transformer.held import Held, is_whole
from tpir.backends.transformer.plan import Mlp, Unit
from tpir.backends.transformer.tables import Ridge

if TYPE_CHECKING:
    from tpir.backends.transformer.planner import Planner

Floats = NDArray[np.float64]


class Switches:
    """Makes the coordinates of a node by switches."""

    def __init__(self, planner: Planner, held: Held) -> None:
        self.planner, self.held = planner, held

    def along(self, line: Feature, points: Floats, values: Floats) -> None:
        """``values`` [points, outputs] at rising ``points``: a switch between those that differ."""
        steps = np.diff(values, axis=0)
        changes = np.flatnonzero(steps.any(axis=1))
        gaps = np.diff(points)[changes]
        middles = points[changes] + gaps / 2
        inputs = [line.times(-1.0).shifted(middle) for middle in middles.tolist()]
        self._switch(inputs, gaps, steps[changes], values[0])

    def of_boxes(self, base: Floats, ridges: Sequence[tuple[Feature, Ridge]]) -> None:
        """``base`` and boxes, whose features are 1 inside and 0 or less outside."""
        inputs = [feature.times(-1.0).shifted(0.5) for feature, _ in ridges]
        steps = np.array([ridge.value for _, ridge in ridges]).reshape(len(ridges), len(base))
        self._switch(inputs, np.ones(len(ridges)), steps, base)

    def _switch(self, inputs: Sequence[Feature], gaps: Floats, steps: Floats, base: Floats) -> None:
        """Add a row of ``steps`` [switches, outputs] where an input is below 0, not gap / 4."""
        slot = max((f.slot for f in inputs), default=0)
        slot += 2 - slot % 2
        coordinates = self.held.make(slot + 2)
        first: list[Unit] = []
        second: list[Unit] = []
        outs: dict[Coordinate, float] = {}
        at_bos = base.copy()
        for k, (x, gap, row) in enumerate(zip(inputs, gaps.tolist(), steps, strict=True)):
            out = Coordinate(f"{self.held.name}.off#{k}", slot, max(x.at_bos, 0.0))
            out.most, out.error = max(x.bounds[1], 0.0), self.planner.budget.error(x)
            outs[out] = 0.0
            first.append(Unit(x, ((out, 1.0),)))
            on = Feature(1.0, {out: -8.0 / gap})
            added = zip(coordinates, row.tolist(), strict=True)
            second.append(Unit(on, tuple((c, w) for c, w in added if w)))
            at_bos += max(on.at_bos, 0.0) * row
        exact = is_whole(base, steps)
        size = 0.0 if exact else 4 * self.planner.budget.unit
        errors = size * (np.abs(base) + np.abs(steps).sum(axis=0))
        for c, value, error in zip(coordinates, at_bos.tolist(), errors.tolist(), strict=True):
            c.at_bos, c.error = value, error
        constants = dict(zip(coordinates, base.tolist(), strict=True))
        self.planner.plan.mlps += [Mlp(slot, first, outs), Mlp(slot + 2, second, constants)]
