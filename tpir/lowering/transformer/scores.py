"""What the scores of an attention head say: which keys a query selects, and in which order.

A score is a sum of products of what is read of one variable at the query and of one variable at the
key. Variables that meet in no product are independent: they fall into *components*, and a pair is
selected if it is in every component. Scores count from that of the token of beginning; without one
everything is selected, and only the order is left to see.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.lowering.transformer.numbers import Codes, Floats, firsts
from tpir.lowering.transformer.stream import Read, Variable, classes_of

TIE = 1e-3
"""Scores this near to each other are equal: weights differ by as small a part."""

GAP = 20.0
"""A key that scores this much less has no weight, by exp(-20)."""

MOST_PAIRS = 2**22
"""The largest product of keys and queries that is looked at pair by pair."""

Bools = NDArray[np.bool_]
Axis = tuple[bool, Variable]
"""A variable at the key (True) or at the query."""


class Unclear(Exception):
    """Numbers that are no program, and the variables that they were read of.

    Of those that are means, only the values may occur that they are means of.
    """

    def __init__(self, why: str, variables: Iterable[Variable] = ()) -> None:
        super().__init__(why)
        self.variables = tuple(variables)


class Misread(TpirError):
    """What to tell the user; ``variables`` may have been taken for means."""

    def __init__(self, message: str, variables: tuple[Variable, ...]) -> None:
        super().__init__(message)
        self.variables = variables


class Kind(Enum):
    """What attention does where it finds nothing, told by the token of beginning."""

    NOTHING = "nothing is ever selected"
    COUNT = "the token of beginning counts as one more key"
    SELECT = "the token of beginning stands for no key"


@dataclass
class Component:
    """Variables that meet in products: their classes, scores and which pairs are selected.

    Arrays have an axis for each variable, keys first. ``position`` is the part of the scores that
    reads the position at the key, ``rest`` the other; both have all axes, some of size 1.
    """

    keys: tuple[Variable, ...]
    queries: tuple[Variable, ...]
    classes: dict[Axis, Codes]
    position: Floats
    rest: Floats
    selected: Bools = field(default_factory=lambda: np.ones((), dtype=bool))

    @property
    def axes(self) -> list[Axis]:
        """The variables in the order of the axes."""
        return [(True, v) for v in self.keys] + [(False, v) for v in self.queries]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many classes each axis has."""
        return tuple(int(self.classes[a].max()) + 1 for a in self.axes)

    @property
    def scores(self) -> Floats:
        """All of the score, for all classes."""
        total: Floats = np.broadcast_to(self.position + self.rest, self.shape)
        return total


@dataclass
class Pattern:
    """The components of a head, and what the token of beginning means."""

    kind: Kind
    components: list[Component]


def pattern_of(keys: Read, queries: Read, sink: Floats | None, indices: Variable) -> Pattern:
    """What a head selects. ``sink`` [n] is the key at the token of beginning, if there is one.

    Queries come multiplied by what scores are divided by. Raises Unclear.
    """
    parts = _Parts(keys, queries, sink, indices)
    components = parts.components()
    if sink is None:
        for component in components:
            component.selected = np.ones(component.shape, dtype=bool)
        return Pattern(Kind.SELECT, components)
    top = parts.constant
    for component in components:
        most = float(component.scores.max())
        component.rest = component.rest - most
        top += most
    if top <= -GAP:
        return Pattern(Kind.NOTHING, [])
    if abs(top) <= TIE:
        for component in components:
            component.selected = _split(component, -TIE, -GAP)
        return Pattern(Kind.COUNT, components)
    if top < GAP:
        read = (*keys.rows, *queries.rows)
        raise Unclear("the token of beginning scores neither like the keys nor far from them", read)
    for component in components:
        component.selected = _split(component, GAP - top, -GAP - top)
    least = sum(float(c.scores[c.selected].min()) for c in components)
    if top + least < GAP:
        raise Unclear("what it selects is no conjunction", (*keys.rows, *queries.rows))
    return Pattern(Kind.SELECT, components)


def _split(component: Component, at_least: float, at_most: float) -> Bools:
    scores = component.scores
    selected: Bools = np.asarray(scores >= at_least)
    if (~selected & (scores > at_most)).any():
        read = (*component.keys, *component.queries)
        raise Unclear("some keys are neither selected nor left out", read)
    return selected


class _Parts:
    """The products of a head's score."""

    def __init__(self, keys: Read, queries: Read, sink: Floats | None, indices: Variable) -> None:
        self.keys, self.queries, self.sink, self.indices = keys, queries, sink, indices
        base = keys.base if sink is None else keys.base - sink
        self.constant = float(queries.base @ base)
        for variable in (*keys.rows, *queries.rows):
            if variable.values is None:
                raise Unclear(f"its scores read {variable.node.name}, a number of any size")
        self.classes: dict[Axis, Codes] = {}
        for at_key, read in ((True, keys), (False, queries)):
            for variable, rows in read.rows.items():
                self.classes[at_key, variable] = classes_of(variable, rows, read.noise)
        self.at_key, self.at_query = self._small(keys, True), self._small(queries, False)
        self.lone: dict[Axis, Floats] = {}
        self.pairs: dict[tuple[Variable, Variable], Floats] = {}
        for key, rows in self.at_key.items():
            self._put((True, key), rows @ queries.base)
        for query, rows in self.at_query.items():
            if sink is not None:
                self._put((False, query), rows @ base)
            for key, others in self.at_key.items():
                product = others @ rows.T
                if np.abs(product).max() > TIE:
                    self.pairs[key, query] = product

    def _small(self, read: Read, at_key: bool) -> dict[Variable, Floats]:
        """Of each variable a row for each class."""
        return {v: rows[firsts(self.classes[at_key, v])] for v, rows in read.rows.items()}

    def _put(self, axis: Axis, column: Floats) -> None:
        if np.abs(column).max() > TIE:
            self.lone[axis] = column

    def components(self) -> list[Component]:
        """The connected components of the variables that matter."""
        groups: list[set[Axis]] = [{axis} for axis in self.lone]
        groups += [{(True, k), (False, q)} for k, q in self.pairs]
        merged: list[set[Axis]] = []
        for group in groups:
            touching = [m for m in merged if m & group]
            merged = [m for m in merged if not m & group]
            merged.append(group.union(*touching))
        return [self._component(group) for group in merged]

    def _component(self, group: set[Axis]) -> Component:
        axes = [axis for axis in self.classes if axis in group]
        keys = tuple(v for at_key, v in axes if at_key)
        queries = tuple(v for at_key, v in axes if not at_key)
        axes = [(True, v) for v in keys] + [(False, v) for v in queries]
        sizes = [int(self.classes[a].max()) + 1 for a in axes]
        if math.prod(sizes) > MOST_PAIRS:
            raise Unclear(f"its scores join variables of {sizes} values")
        position, rest = np.zeros([1] * len(axes)), np.zeros([1] * len(axes))
        for axis, column in self.lone.items():
            if axis in group:
                part = column.reshape([-1 if a == axis else 1 for a in axes])
                if axis == (True, self.indices):
                    position = position + part
                else:
                    rest = rest + part
        for (key, query), product in self.pairs.items():
            if (True, key) in group:
                place = (axes.index((True, key)), axes.index((False, query)))
                shape = [1] * len(axes)
                shape[place[0]], shape[place[1]] = product.shape
                if key is self.indices:
                    position = position + product.reshape(shape)
                else:
                    rest = rest + product.reshape(shape)
        return Component(keys, queries, {a: self.classes[a] for a in axes}, position, rest)
