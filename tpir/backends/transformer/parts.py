"""What makes the coordinates of each kind of node: the protocol, and inputs and copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.basis import IDENTITY, Column
from tpir.backends.transformer.budget import carried, noisy
from tpir.backends.transformer.features import Coordinate, Feature
from tpir.backends.transformer.plan import Embedded, Written
from tpir.ir.functions import codes_of
from tpir.ir.ops import Aggregate, Choose, Tokens
from tpir.ir.program import Node
from tpir.ir.values import value_key

if TYPE_CHECKING:
    from tpir.backends.transformer.planner import Planner

from tpir.backends.transformer.held import Held

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

    def first(self) -> Coordinate | None:
        """The first coordinate that was made, if any was."""
        ...


class Embedding:
    """``tokens`` and ``indices``: any function of them can be embedded."""

    def __init__(self, planner: Planner, node: Node) -> None:
        self.planner, self.node = planner, node

    def ask(self, columns: tuple[Column, ...]) -> None:
        """See Part."""
        self.held = self.planner.held(self.node, columns)

    def build(self) -> None:
        """See Part."""
        of_token = isinstance(self.node.op, Tokens)
        columns = self.held.columns()
        unit = self.planner.budget.unit
        for coordinate, column in zip(self.held.make(0), columns, strict=True):
            coordinate.error = max((unit * abs(x) for x in column if x != int(x)), default=0.0)
            coordinate.relative = unit if coordinate.error else 0.0
            self.planner.plan.embedded.append(Embedded(coordinate, column, of_token))

    def feature(self, column: Column) -> Feature:
        """See Part."""
        return self.held.feature(column)

    def first(self) -> Coordinate | None:
        """See Part."""
        return next(iter(self.held.coordinates), None)


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
        self.held = planner.held(node, columns)
        place = codes_of(domain)
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
        if self.attention.error > self.planner.budget.gap / 4:
            what = "its scores are too rough"
            self.planner.too_inexact(self.node, self.attention.features, what)
            self.attention.error = 0.0
        for coordinate, value, at_sink in zip(
            self.held.make(head.slot), values, self.at_sink, strict=True
        ):
            coordinate.at_bos = at_sink
            if self.held.bounds is not None:
                least, most = value.bounds
                coordinate.least, coordinate.most = min(least, at_sink), max(most, at_sink)
            coordinate.error = self.planner.budget.error(value)
            coordinate.counts, coordinate.tables = noisy([value]), carried([value])
            head.written.append(Written(coordinate, value, at_sink))

    def feature(self, column: Column) -> Feature:
        """See Part."""
        return self.held.feature(column)

    def first(self) -> Coordinate | None:
        """See Part."""
        return next(iter(self.held.coordinates), None)


def slot_of_head(slot: int, values: list[Feature]) -> int:
    """The first attention from ``slot`` on that can read the values."""
    latest = max((v.slot for v in values), default=0)
    return max(slot, latest + 1 + latest % 2)


def _is_choice(selector: Node) -> bool:
    return isinstance(selector.op, Choose)
