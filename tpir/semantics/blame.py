"""Where a program fails: the node, the position, and what the node was given there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tpir.errors import TpirError
from tpir.ir.expressions import MEAN_OF_WORDS
from tpir.ir.ops import Aggregate, Map, Select, Uniform
from tpir.ir.program import Node
from tpir.ir.types import is_integral
from tpir.ir.values import Value, show_value
from tpir.semantics.columns import Column
from tpir.semantics.failures import FAILURES
from tpir.semantics.machine import Machine
from tpir.semantics.selection import selection_of

FAILS = "the program fails on this input"

UNCHECKED = "_unchecked"
"""What is added to the name of a sequence that is checked not to mix words with other values."""

_LONGEST = 40
"""At most this many characters of the text stand for a name."""

_SHOWN = 4
"""At most this many selected values are shown."""


def called(node: Node) -> str:
    """What the text that a node comes from calls it: its name there, else the words of the text."""
    if isinstance(node.op, Uniform):
        return called(node.operands[0])
    span = node.origin.span if node.origin else None
    if span is None or not span.text:
        return node.name
    for name in (node.name, node.name.removesuffix(UNCHECKED)):
        if re.search(rf"\b{re.escape(name)}\b", span.text):
            return name
    words = span.text[span.column - 1 :][: span.width]
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


@dataclass(frozen=True)
class Reading:
    """One value that a failing node was given: of which operand, at which position."""

    operand: Node
    position: int
    value: Value


@dataclass(frozen=True)
class FirstFailure:
    """The first node that fails on an input, and the first position where it does.

    ``position`` is that of the query for a selector or an aggregate, None for a constant.
    ``readings`` are the values that it cannot make anything of: of many, the first few.
    """

    node: Node
    kind: str
    position: int | None
    readings: tuple[Reading, ...]

    def error(self) -> TpirError:
        """The failure as an error, at the place in the source text that the node came from."""
        where = "" if self.position is None else f" at position {self.position}"
        given = ", ".join(map(self._words, self.readings))
        return TpirError(
            f"{FAILS}: {self.kind}",
            span=self.node.origin.span if self.node.origin else None,
            notes=(
                f"in {called(self.node)}{where}" + (f": {given}" if given else ""),
                *self._why(),
            ),
        )

    def _why(self) -> Iterator[str]:
        """What the kind of failure alone does not say."""
        if self.kind != MEAN_OF_WORDS or not isinstance(self.node.op, Aggregate):
            return
        if isinstance(self.node.op.default, str) and is_integral(self.node.operands[1].type):
            yield "these numbers have too many means to stand beside a word: give 0 as the default"

    def _words(self, reading: Reading) -> str:
        elsewhere = "" if reading.position == self.position else f" at position {reading.position}"
        return f"{called(reading.operand)} is {show_value(reading.value)}{elsewhere}"


def blame(machine: Machine, nodes: Iterable[Node]) -> FirstFailure | None:
    """The first of ``nodes``, given in topological order, that fails on a batch of one input."""
    for node in nodes:
        codes = machine.failures(node)
        if codes is not None:
            position = int((codes[:, 0] != 0).argmax())
            kind = FAILURES[int(codes[position, 0]) - 1]
            readings = tuple(_readings(machine, node, position))
            return FirstFailure(node, kind, position if node.operands else None, readings)
    return None


def _readings(machine: Machine, node: Node, position: int) -> Iterator[Reading]:
    match node.op:
        case Map():
            for operand in node.operands:
                yield _reading(machine, operand, position)
        case Uniform():
            yield _reading(machine, node.operands[0], 0)
            yield _reading(machine, node.operands[0], position)
        case Select():
            keys, queries = node.operands
            query = _reading(machine, queries, position)
            seen = position + 1 if machine.header.causal else len(machine.tokens)
            for key in (_reading(machine, keys, j) for j in range(seen)):
                if isinstance(key.value, str) != isinstance(query.value, str):
                    yield from (key, query)
                    return
        case _:
            selector, values = node.operands
            row = selection_of(machine.state(selector)).block(slice(position, position + 1))
            for key_position in np.flatnonzero(row[0, :, 0])[:_SHOWN].tolist():
                yield _reading(machine, values, key_position)


def _reading(machine: Machine, operand: Node, position: int) -> Reading:
    column = machine.state(operand)
    assert isinstance(column, Column)
    return Reading(operand, position, column.at(position))
