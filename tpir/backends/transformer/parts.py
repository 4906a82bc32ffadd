"""What makes the coordinates of each kind of node, from the functions that are asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.attention import Attention
from tpir.backends.transformer.basis import IDENTITY, Basis, Column, basis_of
from tpir.backends.transformer.features import Coordinate, Feature, total
from tpir.backends.transformer.hinges import hinges
from tpir.backends.transformer.legal import refusal
from tpir.backends.transformer.plan import Embedded, Mlp, Unit, Written
from tpir.backends.transformer.tables import Line, affine_form, line_of, separated
from tpir.ir.functions import ReluFunction, Table
from tpir.ir.ops import Aggregate, Choose, Map, Tokens
from tpir.ir.program import Node
from tpir.ir.types import number_bounds
from tpir.ir.values import value_key

if TYPE_CHECKING:
    from tpir.backends.transformer.planner import Planner

Floats = NDArray[np.float64]


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
            self.coordinates.append(Coordinate(name, slot, 0.0, least, most))
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
        for coordinate, column in zip(self.held.make(0), columns, strict=True):
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
            head.written.append(Written(coordinate, value, at_sink))

    def feature(self, column: Column) -> Feature:
        """See Part."""
        return self.held.feature(column)


class Lined:
    """Columns of a node as functions of one feature, made by the hidden units of an MLP."""

    def __init__(self, planner: Planner, node: Node, columns: tuple[Column, ...]) -> None:
        self.planner, self.node = planner, node
        self.held = Held(node.name, columns, len(planner.domain(node)))

    def build(self, line: Feature, points: Floats, codes: NDArray[np.intp]) -> None:
        """``points`` of the feature, and for each of them the place of the node's value."""
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


class Number:
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
        head.written.append(Written(raw, value, self.at_sink))
        self.raw = Feature(0.0, {raw: 1.0})
        if self.lined is not None:
            self.lined.build(self.raw, np.array(self.points), np.arange(len(self.points)))

    def feature(self, column: Column) -> Feature:
        """See Part."""
        if column in self.affine:
            constant, weight = self.affine[column]
            return self.raw.times(weight).shifted(constant)
        assert self.lined is not None
        return self.lined.held.feature(column)


class Mapped:
    """``map``: what is a sum of functions of the operands is read off them, the rest is an MLP."""

    def __init__(self, planner: Planner, node: Node) -> None:
        self.planner, self.node = planner, node
        self.lined: Lined | None = None
        self.line: Line | None = None

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        planner, node = self.planner, self.node
        self.sums: dict[Column, tuple[float, list[Column]]] = {}
        table = planner.domains.table(node)
        if table is None:
            self._ask_for_sum()
            return
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

    def _ask_for_sum(self) -> None:
        """Numbers of too many values for a table can still be added and multiplied by constants."""
        node = self.node
        assert isinstance(node.op, Map)
        weights = None
        if not isinstance(node.op.function, Table | ReluFunction):
            weights = affine_form(node.op.function, len(node.operands))
        if weights is None:
            raise refusal(node, "its operands have too many values for a table")
        self.weights = weights[1:]
        self.constant = weights[0]
        for operand, weight in zip(node.operands, self.weights, strict=True):
            if weight:
                self.planner.ask(operand, self.planner.identity(operand))

    def _ask_for_line(self, others: tuple[Column, ...]) -> None:
        planner, node = self.planner, self.node
        self.lined = Lined(planner, node, others)
        self.line = line_of(self.lined.held.basis.rows[self.codes])
        for operand, column in zip(node.operands, self.line.columns, strict=True):
            planner.ask(operand, column)

    def build(self) -> None:
        """See Part."""
        if self.lined is None or self.line is None:
            return
        parts = zip(self.node.operands, self.line.columns, strict=True)
        line = total([(self.planner.feature(o, c), 1.0) for o, c in parts])
        self.lined.build(line, self.line.points.reshape(-1), self.codes.reshape(-1))

    def feature(self, column: Column) -> Feature:
        """See Part."""
        if column == IDENTITY:
            read = [
                (self.planner.feature(o, self.planner.identity(o)), w)
                for o, w in zip(self.node.operands, self.weights, strict=True)
                if w
            ]
            return total(read, self.constant)
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
