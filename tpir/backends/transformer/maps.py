"""``map``: sums that are read off the operands, and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.basis import Column
from tpir.backends.transformer.features import Coordinate, Feature, total
from tpir.backends.transformer.forms import refusal
from tpir.backends.transformer.tables import (
    Line,
    Ridge,
    Ridges,
    line_of,
    result_codes,
    separated,
)
from tpir.ir.program import Node

if TYPE_CHECKING:
    from tpir.backends.transformer.planner import Planner

from tpir.backends.transformer.held import affine_in
from tpir.backends.transformer.hinges import hinges
from tpir.backends.transformer.lined import Lined

Floats = NDArray[np.float64]


MOST_ROWS = 4_096
"""A sum of more rows is always made from its number."""


def sum_or_table(
    planner: Planner, node: Node, form: tuple[float, ...], columns: tuple[Column, ...]
) -> Summed | Mapped:
    """A map that adds multiples, made as a table of its operands where that takes no more units.

    So it makes no difference whether it was written as a sum or as a table.
    """
    table = planner.domains.table(node)
    if table is None or len(table.results) > MOST_ROWS:
        return Summed(planner, node, form)
    if node in planner.domains.restricted:  # rows that never occur may have other values
        return Summed(planner, node, form)
    points = planner.identity(node)
    others = tuple(column for column in columns if affine_in(points, column) is None)
    if not others:
        return Summed(planner, node, form)
    rows = planner.cache.basis(others, len(points), ()).rows
    order = np.argsort(points)
    made = hinges(np.array(points)[order], rows[order])
    values = rows[result_codes(table, planner.domain(node))]
    fewer = line_of(values).units <= len(made.thresholds)
    return Mapped(planner, node) if fewer else Summed(planner, node, form)


class Summed:
    """``map`` by adding multiples of its operands: read off them, but for what is no multiple."""

    def __init__(self, planner: Planner, node: Node, form: tuple[float, ...]) -> None:
        self.planner, self.node = planner, node
        self.constant, self.weights = form[0], form[1:]
        self.lined: Lined | None = None

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        points = self.planner.identity(self.node)
        self.affine = {c: a for c in columns if (a := affine_in(points, c)) is not None}
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

    def first(self) -> Coordinate | None:
        """See Part."""
        return None if self.lined is None else next(iter(self.lined.held.coordinates), None)


class Mapped:
    """``map``: what is a sum of functions of the operands is read off them, the rest is an MLP."""

    def __init__(self, planner: Planner, node: Node) -> None:
        self.planner, self.node = planner, node
        self.lined: Lined | None = None

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        planner, node = self.planner, self.node
        self.sums: dict[Column, tuple[float, list[Column]]] = {}
        table = planner.domains.table(node)
        if table is None:
            raise refusal(node, "its operands have too many values for a table")
        self.codes = result_codes(table, planner.domain(node))
        others = []
        for column in columns:
            bare = column in planner.bare[node]
            parts = self._bare(column) if bare else separated(np.array(column)[self.codes])
            if parts is None:
                others.append(column)
                continue
            self.sums[column] = parts
            for operand, part in zip(node.operands, parts[1], strict=True):
                planner.ask(operand, part, bare=bare)
        if others:
            self._ask_for_line(tuple(others))

    def _bare(self, column: Column) -> tuple[float, list[Column]] | None:
        """A column of the only operand, without a constant."""
        values = np.array(column)[self.codes]
        return (0.0, [tuple(map(float, values))]) if values.ndim == 1 else None

    def _ask_for_line(self, others: tuple[Column, ...]) -> None:
        planner, node = self.planner, self.node
        self.lined = Lined(planner, node, others)
        values = self.lined.held.basis.rows[self.codes]
        self.form = planner.cache.table(values, firm=self.lined.firm)
        if isinstance(self.form, Line):
            for operand, column in zip(node.operands, self.form.columns, strict=True):
                planner.ask(operand, column)
            return
        for ridge in self.form.ridges:
            for k, (operand, part) in enumerate(zip(node.operands, ridge.columns, strict=True)):
                if part is not None:
                    planner.ask(operand, part, bare=k == ridge.gate)

    def build(self) -> None:
        """See Part."""
        # Once: read anew by each reader, shared operands would be read exponentially often.
        self.read = {column: self._sum(*parts) for column, parts in self.sums.items()}
        if self.lined is None:
            return
        if isinstance(self.form, Ridges):
            read = [(*self._input(ridge), ridge) for ridge in self.form.ridges]
            self.lined.build_ridges(self.form.base, read)
            return
        parts = zip(self.node.operands, self.form.columns, strict=True)
        line = total([(self.planner.feature(o, c), 1.0) for o, c in parts])
        self.lined.build(line, self.form.points.reshape(-1), self.codes.reshape(-1))

    def _input(self, ridge: Ridge) -> tuple[Feature, Feature]:
        """What opens or closes a ridge, and what else it adds up."""
        gate, parts = Feature(), []
        for k, (operand, column) in enumerate(zip(self.node.operands, ridge.columns, strict=True)):
            if column is None:
                continue
            if k == ridge.gate:
                gate = self.planner.feature(operand, column)
            else:
                parts.append((self.planner.feature(operand, column), 1.0))
        return gate, total(parts, ridge.constant)

    def _sum(self, constant: float, columns: list[Column]) -> Feature:
        parts = zip(self.node.operands, columns, strict=True)
        return total([(self.planner.feature(o, c), 1.0) for o, c in parts], constant)

    def feature(self, column: Column) -> Feature:
        """See Part."""
        if column in self.read:
            return self.read[column]
        assert self.lined is not None
        return self.lined.held.feature(column)

    def first(self) -> Coordinate | None:
        """See Part."""
        return None if self.lined is None else next(iter(self.lined.held.coordinates), None)
