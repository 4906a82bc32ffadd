"""The variables of a residual stream: which node each one is, and what its places stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tpir.ir.builder import Builder
from tpir.ir.functions import Domain, Table
from tpir.ir.ops import Map
from tpir.ir.program import Node, Origin
from tpir.ir.types import values_of
from tpir.ir.values import Key, Value, value_key


@dataclass(frozen=True, eq=False)
class Variable:
    """A categorical variable: ``slots`` says which value each place of the one-hot vector is.

    None stands for a place that is none: padding, or a variable wider than its values.
    """

    node: Node
    slots: tuple[Value | None, ...]

    @cached_property
    def _places(self) -> dict[Key, int]:
        return {value_key(v): k for k, v in enumerate(self.slots) if v is not None}

    @property
    def domain(self) -> Domain:
        """The values that the node can have."""
        return domain_of(self.node)

    @property
    def places(self) -> list[int]:
        """The place of each value of the domain."""
        return [self._places[value_key(v)] for v in self.domain]

    def copied_to(self, node: Node) -> Variable:
        """A variable that takes its values from this one."""
        return Variable(node, self.slots)


@dataclass
class Stream:
    """The residual stream: categorical variables, and the nodes of numerical ones, in order."""

    categorical: list[Variable] = field(default_factory=list)
    numerical: list[Node] = field(default_factory=list)


def domain_of(node: Node) -> Domain:
    """The values of a node of finite type."""
    values = values_of(node.type)
    assert values is not None, f"{node.name} is not finite"
    return values


def add_table(
    builder: Builder,
    operands: Sequence[Node],
    results: NDArray[np.generic],
    *,
    name: str,
    origin: Origin,
) -> Node:
    """A map by table. ``results`` has an axis for each operand; those that do not matter go."""
    kept = list(operands)
    for axis in reversed(range(len(kept))):
        first = results.take([0], axis=axis)
        if (results == first).all():
            results = first.squeeze(axis)
            del kept[axis]
    rows: list[Value] = results.ravel().tolist()
    table = Table(tuple(domain_of(operand) for operand in kept), tuple(rows))
    return builder.add(Map(table), kept, name=name, origin=origin)


def distinct_operands(operands: Sequence[Node]) -> dict[Node, list[int]]:
    """Each operand once, with the places of the list where it stands."""
    places: dict[Node, list[int]] = {}
    for place, operand in enumerate(operands):
        places.setdefault(operand, []).append(place)
    return places


def is_exact_sum(left: NDArray[np.float64], right: NDArray[np.float64]) -> bool:
    """Whether adding two arrays in float64 rounds nowhere (the error term of Knuth's two-sum)."""
    total = left + right
    part = total - left
    error = (left - (total - part)) + (right - part)
    return not error.any()
