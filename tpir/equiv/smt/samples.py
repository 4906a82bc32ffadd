"""What nodes hold on some inputs: which nodes could be functions of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.smt.summaries import exact_key
from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled, Selector
from tpir.ir.values import Key, Value, value_key
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.machine import State
from tpir.semantics.selection import dense

Codes = tuple[int, ...]


class Samples:
    """Two programs on some inputs, growing: the elements of every live node, as numbers.

    An element has one number in all nodes (see ``value_of``); a selector has one for each row.
    Inputs on which either program fails are left out. ``recode``: from an index of the space's
    vocabulary to that of each program.
    """

    def __init__(self, programs: Sequence[Program], recode: Sequence[NDArray[np.int64]]) -> None:
        self._interpreters = [Interpreter(program) for program in programs]
        self._recode = list(recode)
        self._values: list[Value] = []
        self._known: dict[Key, int] = {}
        self._rows: dict[bytes, int] = {}
        self._last: tuple[Codes, dict[Node, State]] = ((), {})
        self._held: dict[Node, list[NDArray[np.int64]]] = {
            node: [] for program in programs for node in program.live
        }

    def add(self, inputs: Sequence[Codes]) -> None:
        """Run more inputs, of any lengths."""
        by_length: dict[int, list[Codes]] = {}
        for codes in inputs:
            by_length.setdefault(len(codes), []).append(codes)
        for batch in by_length.values():
            self._run(np.array(batch, dtype=np.int64).T)

    def _run(self, batch: NDArray[np.int64]) -> None:
        found = [
            interpreter.states(recode[batch])
            for interpreter, recode in zip(self._interpreters, self._recode, strict=True)
        ]
        fine = np.all([failures == 0 for _, failures in found], axis=0)
        if not fine.any():
            return
        for states, _ in found:
            for node, state in states.items():
                if isinstance(state, Column):
                    numbers = self._numbered(state, batch.shape[1])[:, fine]
                else:
                    matrix = np.broadcast_to(dense(state), (len(batch), len(batch), batch.shape[1]))
                    numbers = self._numbered_rows(matrix[:, :, fine])
                self._held[node].append(numbers.ravel())

    def _numbered(self, column: Column, batch: int) -> NDArray[np.int64]:
        data = np.broadcast_to(column.data, (column.data.shape[0], batch))
        tags = np.broadcast_to(np.uint8(0) if column.tags is None else column.tags, data.shape)
        keys = data.astype(np.float64) + 8.0j * tags.astype(np.float64)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        some_tags = None if column.tags is None else tags.ravel()[first][:, None]
        some = Column(column.type, data.ravel()[first][:, None], some_tags)
        numbers = [self._number(value) for value in some.decode(1)[0]]
        return np.array(numbers, dtype=np.int64)[inverse].reshape(data.shape)

    def _number(self, value: Value) -> int:
        key = exact_key(value)
        if key not in self._known:
            self._known[key] = len(self._values)
            self._values.append(value)
        return self._known[key]

    def _numbered_rows(self, matrix: NDArray[np.bool_]) -> NDArray[np.int64]:
        """A number for each row (query, input), by its keys."""
        rows = np.packbits(matrix, axis=1)
        rows = np.moveaxis(rows, 1, 2).reshape(-1, rows.shape[1])
        distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
        length = matrix.shape[1]
        numbers = [
            self._rows.setdefault(bytes([length]) + row.tobytes(), len(self._rows))
            for row in distinct
        ]
        return np.array(numbers, dtype=np.int64)[inverse.reshape(-1)]

    def differ(
        self, node: Node, of: Node, function: Mapping[Key, Value] | None, codes: Codes
    ) -> bool:
        """Whether on an input a node is anything but a function of another; None: the same."""
        if codes != self._last[0]:
            batch = np.array(codes, dtype=np.int64)[:, None]
            states: dict[Node, State] = {}
            for interpreter, recode in zip(self._interpreters, self._recode, strict=True):
                states |= interpreter.states(recode[batch])[0]
            self._last = (codes, states)
        first, second = self._last[1][node], self._last[1][of]
        if not isinstance(first, Column) or not isinstance(second, Column):
            shape = (len(codes), len(codes), 1)
            left, right = (np.broadcast_to(dense(state), shape) for state in (first, second))
            return not np.array_equal(left, right)
        found, given = ([value_key(v) for v in c.decode(1)[0]] for c in (first, second))
        if function is None:
            return found != given
        return found != [value_key(function[v]) if v in function else None for v in given]

    def value_of(self, number: int) -> Value:
        """The value that has a number."""
        return self._values[number]

    def of(self, node: Node) -> NDArray[np.int64]:
        """The numbers of a node's elements over all positions of all inputs so far."""
        held = self._held[node]
        if not held:
            return np.zeros(0, dtype=np.int64)
        if len(held) > 1:
            self._held[node] = held = [np.concatenate(held)]
        return held[0]

    def function(self, of: Node, node: Node) -> Mapping[int, int] | None:
        """The function that makes a node's elements of another's so far; None if there is none."""
        given, result = self.of(of), self.of(node)
        if len(given) != len(result):
            return None
        size = int(result.max(initial=0)) + 1
        pairs = np.unique(given * size + result)
        numbers = pairs // size
        if len(np.unique(numbers)) < len(numbers):
            return None
        return dict(zip(numbers.tolist(), (pairs % size).tolist(), strict=True))


def comparable(left: Node, right: Node) -> bool:
    """Whether two nodes are of one kind: sequences, selectors or pooled labels."""
    kinds = [
        Selector if isinstance(n.type, Selector) else Pooled if isinstance(n.type, Pooled) else None
        for n in (left, right)
    ]
    return kinds[0] is kinds[1]
