"""What makes the coordinates of each kind of node, from the functions that are asked of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.attention import Attention
from tpir.backends.transformer.basis import IDENTITY, Basis, Column, basis_of
from tpir.backends.transformer.budget import TooInexact, noisy
from tpir.backends.transformer.features import Coordinate, Feature, total
from tpir.backends.transformer.hinges import hinges
from tpir.backends.transformer.legal import refusal
from tpir.backends.transformer.plan import Embedded, Head, Mlp, Pair, Unit, Written
from tpir.backends.transformer.tables import (
    Line,
    Ridge,
    Ridges,
    boxes_of,
    gates_of,
    line_of,
    separated,
)
from tpir.ir.ops import Aggregate, Choose, Tokens
from tpir.ir.program import Node
from tpir.ir.types import number_bounds
from tpir.ir.values import value_key

if TYPE_CHECKING:
    from tpir.backends.transformer.planner import Planner

Floats = NDArray[np.float64]

MOST_OFF = 1e-6
"""A number is made of more units where it would be off by more."""

MOST_ROUNDING = 0.125
"""Coordinates that hold codes are whole numbers, and may be off by this much."""


class Part(Protocol):
    """A node on its way into the weights."""

    def ask(self, columns: tuple[Column, ...]) -> None:
        """Say once and for all which columns are needed; ask the operands in turn."""
        ...

    def build(self) -> None:
        """Make the coordinates; those of the operands are there."""
        ...

    def feature(self, column: Column) -> Feature:
        """How a column is read."""
        ...


class Held:
    """Coordinates that hold a basis of columns."""

    def __init__(self, name: str, columns: tuple[Column, ...], size: int) -> None:
        self.name = name
        self.basis: Basis = basis_of(columns, size)
        self.coordinates: list[Coordinate] = []
        self.bounds: tuple[float, float] | None = None

    @classmethod
    def number(cls, node: Node) -> Held:
        """One coordinate for a number of unlisted values."""
        held = cls(node.name, (), 0)
        held.basis = Basis(np.zeros((0, 1)), {IDENTITY: (0.0, np.ones(1))})
        held.bounds = number_bounds(node.type)
        return held

    def make(self, slot: int) -> list[Coordinate]:
        """New coordinates."""
        for k in range(self.basis.size):
            column = self.basis.rows[:, k]
            name = self.name if self.basis.size == 1 else f"{self.name}#{k}"
            least, most = self.bounds or (float(column.min()), float(column.max()))
            coordinate = Coordinate(name, slot, 0.0, least, most)
            coordinate.whole = len(column) > 0 and _are_whole(tuple(column))
            self.coordinates.append(coordinate)
        return self.coordinates

    def columns(self) -> list[Column]:
        """What each coordinate holds, for each value."""
        return [tuple(map(float, column)) for column in self.basis.rows.T]

    def feature(self, column: Column) -> Feature:
        """How a column is read from the coordinates."""
        constant, weights = self.basis.readings[column]
        pairs = zip(self.coordinates, weights.tolist(), strict=True)
        return Feature(constant, {c: w for c, w in pairs if w})


class Embedding:
    """``tokens`` and ``indices``: any function of them can be embedded."""

    def __init__(self, planner: Planner, node: Node) -> None:
        self.planner, self.node = planner, node

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        self.held = Held(self.node.name, columns, len(self.planner.domain(self.node)))

    def build(self) -> None:
        """See Part."""
        of_token = isinstance(self.node.op, Tokens)
        columns = self.held.columns()
        unit = self.planner.budget.unit
        for coordinate, column in zip(self.held.make(0), columns, strict=True):
            coordinate.error = max((unit * abs(x) for x in column if x != int(x)), default=0.0)
            self.planner.plan.embedded.append(Embedded(coordinate, column, of_token))

    def feature(self, column: Column) -> Feature:
        """See Part."""
        return self.held.feature(column)


class Copied:
    """``aggregate`` of one key at most: a head copies whatever is asked for."""

    def __init__(self, planner: Planner, node: Node) -> None:
        self.planner, self.node = planner, node

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        planner, node = self.planner, self.node
        chosen, values = node.operands
        self._ask_for_values(columns)
        for source in self.sources:
            planner.ask(values, source)
        hard = chosen.operands[0] if chosen.operands and _is_choice(chosen) else None
        selector, choice = (hard, chosen) if hard is not None else (chosen, None)
        self.attention = planner.attend(node, selector, choice)

    def _ask_for_values(self, columns: tuple[Column, ...]) -> None:
        """What the head reads for each coordinate, at the key and where there is none."""
        planner, node = self.planner, self.node
        assert isinstance(node.op, Aggregate)
        default, values = node.op.default, node.operands[1]
        if columns == (IDENTITY,):
            self.held = Held.number(node)
            self.sources = [planner.identity(values)]
            self.at_sink = [float(default or 0)]
            return
        domain = planner.domain(node)
        self.held = Held(node.name, columns, len(domain))
        place = {value_key(v): k for k, v in enumerate(domain)}
        keys = [place[value_key(v)] for v in planner.domain(values)]
        at_default = 0 if default is None else place[value_key(default)]
        self.sources = [tuple(column[k] for k in keys) for column in self.held.columns()]
        self.at_sink = [column[at_default] for column in self.held.columns()]

    def build(self) -> None:
        """See Part."""
        head = self.attention.build()
        values = [self.planner.feature(self.node.operands[1], s) for s in self.sources]
        slot = slot_of_head(head.slot, values)
        if slot != head.slot:
            head = self.attention.later(slot)
        for coordinate, value, at_sink in zip(
            self.held.make(head.slot), values, self.at_sink, strict=True
        ):
            coordinate.at_bos = at_sink
            coordinate.error = self.planner.budget.error(value)
            coordinate.counts = noisy([value])
            head.written.append(Written(coordinate, value, at_sink))
        if self.attention.error > self.planner.budget.gap / 4:
            raise TooInexact(self.node, noisy(self.attention.features), "its scores are too rough")

    def feature(self, column: Column) -> Feature:
        """See Part."""
        return self.held.feature(column)


class Lined:
    """Columns of a node as functions of one feature, made by the hidden units of an MLP."""

    def __init__(self, planner: Planner, node: Node, columns: tuple[Column, ...]) -> None:
        self.planner, self.node = planner, node
        self.held = Held(node.name, columns, len(planner.domain(node)))

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
        slot = line.slot + 2 - line.slot % 2
        coordinates = self.held.make(slot)
        bends = hinges(points, values)
        self._check(line, points, values, bends.largest, relative)
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

    def build_ridges(self, base: Floats, ridges: list[tuple[Feature, Ridge]]) -> None:
        """The sum of ``base`` and the ridges, whose features are given."""
        budget = self.planner.budget
        features = [feature for feature, _ in ridges]
        slot = max((f.slot for f in features), default=0)
        coordinates = self.held.make(slot + 2 - slot % 2)
        units, errors = [], []
        for feature, ridge in ridges:
            row = zip(coordinates, ridge.value.tolist(), strict=True)
            units.append(Unit(feature, tuple((c, w) for c, w in row if w)))
            off = budget.error(feature)
            whole = off == 0 and all(map(_are_whole, (*ridge.columns, tuple(ridge.value))))
            errors.append(off + (0.0 if whole else 4 * budget.unit * ridge.size))
        constants = dict(zip(coordinates, base.tolist(), strict=True))
        inside = np.maximum([f.at_bos for f in features], 0)
        for k, coordinate in enumerate(coordinates):
            column = np.array([ridge.value[k] for _, ridge in ridges])
            coordinate.at_bos = float(base[k] + inside @ column)
            coordinate.error = float(np.array(errors) @ np.abs(column))
            coordinate.counts = noisy(features)
        if max(errors, default=0.0) > MOST_ROUNDING:
            what = "its arguments are too rough to be told apart"
            raise TooInexact(self.node, noisy(features), what)
        self.planner.plan.mlps.append(Mlp(slot + 2 - slot % 2, units, constants))

    def _check(
        self, line: Feature, points: Floats, values: Floats, largest: float, relative: float
    ) -> None:
        """How far the coordinates are off. Raises TooInexact if points cannot be told apart."""
        budget = self.planner.budget
        off = np.abs(points) * relative if relative else np.full(len(points), budget.error(line))
        spacing = np.diff(points)
        if (np.maximum(off[1:], off[:-1]) > spacing / 4).any():
            what = "its arguments are too rough to be told apart"
            raise TooInexact(self.node, noisy([line]), what)
        slopes = np.abs(np.diff(values, axis=0)) / spacing[:, None]
        steepest = (
            np.maximum(np.pad(slopes, ((0, 1), (0, 0))), np.pad(slopes, ((1, 0), (0, 0))))
            * off[:, None]
        )
        exact = not off.any() and largest < 1 / budget.unit and _is_whole(points, values)
        rounded = 0.0 if exact else 4 * budget.unit * largest
        for k, coordinate in enumerate(self.held.coordinates):
            coordinate.error = float(steepest[:, k].max(initial=0.0)) + rounded
            coordinate.counts = noisy([line])
        if rounded > MOST_ROUNDING:
            what = "its table is too large for the number type"
            raise TooInexact(self.node, noisy([line]), what)


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
        self.affine = {c: a for c in columns if (a := _affine(self.points, c)) is not None}
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
        if self.lined is not None and self.node in self.planner.looked_up:
            self.lookup = Lookup(self.planner, self.lined)

    def off(self, value: Feature) -> float:
        """See Number."""
        budget = self.planner.budget
        if self.relative() > 0.25 / (self.planner.program.context + 2):
            counts = noisy(self.attention.features)
            raise TooInexact(self.node, counts, "its scores are too rough to count by")
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


class Summed:
    """``map`` by adding multiples of its operands: read off them, but for what is no multiple."""

    def __init__(self, planner: Planner, node: Node, form: tuple[float, ...]) -> None:
        self.planner, self.node = planner, node
        self.constant, self.weights = form[0], form[1:]
        self.lined: Lined | None = None

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        points = self.planner.identity(self.node)
        self.affine = {c: a for c in columns if (a := _affine(points, c)) is not None}
        others = tuple(c for c in columns if c not in self.affine)
        if others:
            self.lined = Lined(self.planner, self.node, others)
        for operand, weight in zip(self.node.operands, self.weights, strict=True):
            if weight:
                self.planner.ask(operand, self.planner.identity(operand))

    def build(self) -> None:
        """See Part."""
        read = [
            (self.planner.feature(operand, self.planner.identity(operand)), weight)
            for operand, weight in zip(self.node.operands, self.weights, strict=True)
            if weight
        ]
        self.number = total(read, self.constant)
        if self.lined is not None:
            points = np.array(self.planner.identity(self.node))
            self.lined.build(self.number, points, np.arange(len(points)))

    def feature(self, column: Column) -> Feature:
        """See Part."""
        if column in self.affine:
            constant, weight = self.affine[column]
            return self.number.times(weight).shifted(constant)
        assert self.lined is not None
        return self.lined.held.feature(column)


class Mapped:
    """``map``: what is a sum of functions of the operands is read off them, the rest is an MLP."""

    def __init__(self, planner: Planner, node: Node) -> None:
        self.planner, self.node = planner, node
        self.lined: Lined | None = None
        self.line: Line | None = None
        self.ridges: Ridges | None = None

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        planner, node = self.planner, self.node
        self.sums: dict[Column, tuple[float, list[Column]]] = {}
        table = planner.domains.table(node)
        if table is None:
            raise refusal(node, "its operands have too many values for a table")
        domain = planner.domain(node)
        place = {value_key(v): k for k, v in enumerate(domain)}
        shape = tuple(len(planner.domain(o)) for o in node.operands)
        self.codes = np.array([place[value_key(v)] for v in table.results]).reshape(shape)
        others = []
        for column in columns:
            parts = separated(np.array(column)[self.codes])
            if parts is None:
                others.append(column)
                continue
            self.sums[column] = parts
            for operand, part in zip(node.operands, parts[1], strict=True):
                planner.ask(operand, part)
        if others:
            self._ask_for_line(tuple(others))

    def _ask_for_line(self, others: tuple[Column, ...]) -> None:
        planner, node = self.planner, self.node
        self.lined = Lined(planner, node, others)
        values = self.lined.held.basis.rows[self.codes]
        line, ridges = line_of(values), boxes_of(values)
        gates = gates_of(values)
        if gates is not None and len(gates.ridges) < len(ridges.ridges):
            ridges = gates
        rounding = 4 * planner.budget.unit * line.largest
        whole = line.largest < 1 / planner.budget.unit and _is_whole(line.points, values)
        if len(ridges.ridges) < line.units or (not whole and rounding > MOST_OFF):
            self.ridges = ridges
            for ridge in ridges.ridges:
                for operand, column in zip(node.operands, ridge.columns, strict=True):
                    if column is not None:
                        planner.ask(operand, column)
            return
        self.line = line
        for operand, column in zip(node.operands, line.columns, strict=True):
            planner.ask(operand, column)

    def build(self) -> None:
        """See Part."""
        if self.lined is None:
            return
        if self.line is None:
            assert self.ridges is not None
            read = [(self._input(ridge), ridge) for ridge in self.ridges.ridges]
            self.lined.build_ridges(self.ridges.base, read)
            return
        parts = zip(self.node.operands, self.line.columns, strict=True)
        line = total([(self.planner.feature(o, c), 1.0) for o, c in parts])
        self.lined.build(line, self.line.points.reshape(-1), self.codes.reshape(-1))

    def _input(self, ridge: Ridge) -> Feature:
        parts = [
            (self.planner.feature(operand, column), 1.0)
            for operand, column in zip(self.node.operands, ridge.columns, strict=True)
            if column is not None
        ]
        return total(parts, ridge.constant)

    def feature(self, column: Column) -> Feature:
        """See Part."""
        if column in self.sums:
            constant, columns = self.sums[column]
            parts = zip(self.node.operands, columns, strict=True)
            return total([(self.planner.feature(o, c), 1.0) for o, c in parts], constant)
        assert self.lined is not None
        return self.lined.held.feature(column)


def slot_of_head(slot: int, values: list[Feature]) -> int:
    """The first attention from ``slot`` on that can read the values."""
    latest = max((v.slot for v in values), default=0)
    return max(slot, latest + 1 + latest % 2)


def _is_choice(selector: Node) -> bool:
    return isinstance(selector.op, Choose)


def _is_whole(points: Floats, values: Floats) -> bool:
    return bool((points == np.round(points)).all() and (values == np.round(values)).all())


def _are_whole(column: Column | None) -> bool:
    return column is None or all(x == int(x) for x in column)


def _affine(points: Column, column: Column) -> tuple[float, float] | None:
    """constant and weight with column = constant + weight x points, exactly."""
    if column == points:
        return 0.0, 1.0
    k = next((k for k, p in enumerate(points) if p != points[0]), None)
    if k is None:
        return None
    weight = (column[k] - column[0]) / (points[k] - points[0])
    constant = column[0] - weight * points[0]
    exact = all(constant + weight * p == c for p, c in zip(points, column, strict=True))
    return (constant, weight) if exact else None
