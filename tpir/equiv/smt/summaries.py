"""Value summaries: what an element of a sequence can be, and a literal for when it is which.

Values are concrete, so whatever the interpreter makes of them is computed by the interpreter's own
definitions, rounding included; only the choice among them is symbolic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.smt.circuit import FALSE, TRUE, Circuit, Literal
from tpir.ir.values import Key, Value, value_key


class Unsupported(Exception):
    """A program holds something that circuits of bearable size cannot say; the reason."""


@dataclass(frozen=True)
class Summary:
    """The values that one element can have, each with its literal; at most one literal is true.

    ``fails`` is true where the node itself fails there. Where it or an operand fails, no value's
    literal need be true; ``total`` says that this does not happen.
    """

    values: tuple[Value, ...]
    literals: tuple[Literal, ...]
    fails: Literal = FALSE
    total: bool = True

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """The keys of the values."""
        return tuple(map(exact_key, self.values))


def exact_key(value: Value) -> Key:
    """As ``value_key``, but with -0.0 apart: as a word it is another."""
    if isinstance(value, float) and value == 0 and math.copysign(1.0, value) < 0:
        return ("negative zero", 0.0)
    return value_key(value)


def constant(value: Value) -> Summary:
    """An element that is always the same."""
    return Summary((value,), (TRUE,))


def gathered(
    circuit: Circuit,
    cases: Iterable[tuple[Value, Literal]],
    fails: Literal = FALSE,
    *,
    total: bool,
) -> Summary:
    """The summary of cases, of which at most one holds; equal values come together."""
    found: dict[Key, tuple[Value, list[Literal]]] = {}
    for value, literal in cases:
        if literal != FALSE:
            found.setdefault(exact_key(value), (value, []))[1].append(literal)
    values = tuple(value for value, _ in found.values())
    return Summary(values, tuple(circuit.any(ls) for _, ls in found.values()), fails, total)


def renamed(
    circuit: Circuit, summary: Summary, function: Callable[[Value], Value | None]
) -> Summary:
    """The summary of a function of the element; values it does not know (None) are left out."""
    images = [function(value) for value in summary.values]
    pairs = zip(images, summary.literals, strict=True)
    return gathered(
        circuit,
        ((image, literal) for image, literal in pairs if image is not None),
        summary.fails,
        total=summary.total and None not in images,
    )


def differing(circuit: Circuit, left: Summary, right: Summary) -> Literal:
    """When two elements differ: values told apart by type, 0.0 and -0.0 alike, failures alike."""
    sides: list[dict[Key, list[Literal]]] = [{}, {}]
    for side, summary in zip(sides, (left, right), strict=True):
        for value, literal in zip(summary.values, summary.literals, strict=True):
            side.setdefault(value_key(value), []).append(literal)
    first, second = ({key: circuit.any(ls) for key, ls in side.items()} for side in sides)
    keys = {**first, **second}
    cases = [circuit.differ(first.get(key, FALSE), second.get(key, FALSE)) for key in keys]
    return circuit.any([*cases, circuit.differ(left.fails, right.fails)])


@dataclass(frozen=True)
class Plan:
    """A function of several elements made ready: rows that are alike taken together.

    ``groups``: for values of the first operand (their places), what is left to decide.
    """

    code: int | None
    groups: tuple[tuple[tuple[int, ...], Plan], ...] = ()
    width: int = 0

    @classmethod
    def of(cls, codes: NDArray[np.integer]) -> Plan:
        """From an array of result codes with one axis for each operand."""
        if codes.ndim == 0:
            return cls(int(codes))
        if codes.size == 0:
            return cls(None)
        rows = codes.reshape(len(codes), -1)
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        inverse = inverse.reshape(-1)
        groups = (
            (tuple(np.flatnonzero(inverse == k).tolist()), cls.of(codes[place]))
            for k, place in enumerate(first.tolist())
        )
        return cls(None, tuple(groups), len(codes))

    def apply(self, circuit: Circuit, operands: Sequence[Summary]) -> dict[int, Literal]:
        """For each code when the function has it."""
        found: dict[int, list[Literal]] = {}
        self._collect(circuit, operands, TRUE, found)
        return {code: circuit.any(cases) for code, cases in found.items()}

    def _collect(
        self,
        circuit: Circuit,
        operands: Sequence[Summary],
        given: Literal,
        found: dict[int, list[Literal]],
    ) -> None:
        if self.code is not None:
            found.setdefault(self.code, []).append(given)
            return
        for members, rest in self.groups:
            everything = operands[0].total and len(members) == self.width
            literals = operands[0].literals
            chosen = TRUE if everything else circuit.any(literals[k] for k in members)
            met = circuit.both(given, chosen)
            if met != FALSE:
                rest._collect(circuit, operands[1:], met, found)
