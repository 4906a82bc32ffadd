"""Counts and means: one number that a head writes, and what is made of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.attention import Attention
from tpir.backends.transformer.basis import IDENTITY, Column
from tpir.backends.transformer.budget import carried, noisy
from tpir.backends.transformer.features import Coordinate, Feature
from tpir.backends.transformer.plan import Head, Pair, Written
from tpir.ir.program import Node

if TYPE_CHECKING:
    from tpir.backends.transformer.planner import Planner

from tpir.backends.transformer.held import affine_in
from tpir.backends.transformer.lined import Lined
from tpir.backends.transformer.parts import slot_of_head

Floats = NDArray[np.float64]


class Number(ABC):
    """A count or a mean: a head writes one number, an MLP makes what is no multiple of it."""

    def __init__(
        self,
        planner: Planner,
        node: Node,
        points: Column,
        attention: Attention,
        value: Callable[[], Feature],
        at_sink: float,
    ) -> None:
        self.planner, self.node, self.points = planner, node, points
        self.attention, self.value, self.at_sink = attention, value, at_sink
        self.lined: Lined | None = None

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        self.affine = {c: a for c in columns if (a := affine_in(self.points, c)) is not None}
        others = tuple(c for c in columns if c not in self.affine)
        if others:
            self.lined = Lined(self.planner, self.node, others)

    def relative(self) -> float:
        """The relative error that weights of keys have."""
        return 2 * self.attention.error + 4 * self.planner.budget.unit

    @abstractmethod
    def off(self, value: Feature) -> float:
        """How far the number is off."""

    @abstractmethod
    def blamed(self, value: Feature) -> frozenset[Node]:
        """The counts that this comes from."""

    @abstractmethod
    def finish(self) -> None:
        """Make the columns that are no multiples of the number."""

    def build(self) -> None:
        """See Part."""
        head = self.attention.build()
        value = self.value()
        slot = slot_of_head(head.slot, [value])
        if slot != head.slot:
            head = self.attention.later(slot)
        ends = (min((*self.points, self.at_sink)), max((*self.points, self.at_sink)))
        if self.points == IDENTITY:
            ends = value.bounds
        raw = Coordinate(f"{self.node.name}.raw", head.slot, self.at_sink, *ends)
        raw.error, raw.counts = self.off(value), self.blamed(value)
        raw.tables = carried([value, *self.attention.features])
        head.written.append(Written(raw, value, self.at_sink))
        self.raw = Feature(0.0, {raw: 1.0})
        self.finish()

    def feature(self, column: Column) -> Feature:
        """See Part."""
        if column in self.affine:
            constant, weight = self.affine[column]
            return self.raw.times(weight).shifted(constant)
        assert self.lined is not None
        return self.lined.held.feature(column)

    def first(self) -> Coordinate | None:
        """See Part."""
        return next(iter(self.raw.terms))


class Mean(Number):
    """A mean: as far off as its values, and as the weights of the keys times their spread."""

    def off(self, value: Feature) -> float:
        """See Number."""
        least, most = value.bounds
        return self.planner.budget.error(value) + (most - least) * self.relative()

    def blamed(self, value: Feature) -> frozenset[Node]:
        """See Number."""
        return noisy([value, *self.attention.features])

    def finish(self) -> None:
        """See Number."""
        if self.lined is not None:
            self.lined.build(self.raw, np.array(self.points), np.arange(len(self.points)))


class Count(Number):
    """1 / (1 + n) for n keys: told apart from its neighbours, or looked up by position."""

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        super().ask(columns)
        self.lookup: Lookup | None = None
        if self.lined is not None and self.node in self.planner.firm:
            self.lookup = Lookup(self.planner, self.lined)

    def off(self, value: Feature) -> float:
        """See Number."""
        planner, budget = self.planner, self.planner.budget
        counts = noisy(self.attention.features)
        if self.relative() > 0.25 / (planner.program.context + 2):
            what = "its scores are too rough to count by"
            planner.too_inexact(self.node, self.attention.features, what)
            self.attention.error, counts = 0.0, frozenset()
        planner.behind[self.node] = counts.union(*(planner.behind[count] for count in counts))
        return self.relative() * max(self.points) + budget.unit

    def blamed(self, value: Feature) -> frozenset[Node]:
        """See Number."""
        return frozenset({self.node})

    def finish(self) -> None:
        """See Number."""
        if self.lookup is not None:
            self.lookup.build(self.raw)
        elif self.lined is not None:
            points = np.array(self.points)
            self.lined.build(self.raw, points, np.arange(len(points)), self.relative())


class Lookup:
    """Finds the position of number n, and reads functions of n from its embedding.

    The token of beginning stands at n = 0. The best score is that of the nearest number, as
    2 x y - y^2 = x^2 - (x - y)^2, in units of the smallest distance squared.
    """

    def __init__(self, planner: Planner, lined: Lined) -> None:
        self.planner, self.held = planner, lined.held
        numbers = [1.0 / (1 + n) for n in range(planner.program.context + 1)]
        scale = 1.0 / (numbers[-2] - numbers[-1]) ** 2
        self.linear = [2 * scale * y for y in numbers]
        self.square = [-scale * y * y for y in numbers]
        counts = [int(n) for n in planner.domain(lined.node)]
        by_count = [dict(zip(counts, column, strict=True)) for column in self.held.columns()]
        every = range(planner.program.context + 1)
        self.values = [[column.get(n, 0.0) for n in every] for column in by_count]
        for column in (self.linear, self.square, *self.values):
            planner.ask(planner.indices, tuple(column[1:]))

    def build(self, raw: Feature) -> None:
        """The head, after the number is there."""
        planner = self.planner

        def at_key(column: list[float]) -> Feature:
            return planner.feature(planner.indices, tuple(column[1:]))

        pairs = [
            Pair(raw, at_key(self.linear), self.linear[0]),
            Pair(Feature(1.0), at_key(self.square), self.square[0]),
        ]
        head = Head(pairs, None, raw.slot + 1 + raw.slot % 2)
        for coordinate, column in zip(self.held.make(head.slot), self.values, strict=True):
            coordinate.at_bos = column[0]
            value = at_key(column)
            coordinate.error = planner.budget.error(value)
            head.written.append(Written(coordinate, value, column[0]))
        planner.plan.heads.append(head)
