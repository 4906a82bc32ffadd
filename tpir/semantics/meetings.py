"""What comes together: which arguments a table is given, which keys a query sees.

Where the inputs are few, all are run, and the answer is exact; else it is an over-approximation
(``reachable``). Of operands that can fail nothing is said: where they do, they hold any values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.ir.program import Node, Program
from tpir.ir.types import size_of
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.machine import Machine
from tpir.semantics.reach_heads import exists
from tpir.semantics.reachable import Bools, reachable_cells, reachable_facts
from tpir.semantics.selection import CELLS
from tpir.semantics.space import InputSpace

MAX_PAIRS = 2**16
"""Selects of more pairs of a query value and a key value, and tables of more rows, are left out."""

MAX_WORK = 2**28
"""Inputs are not run where these times length times nodes is more."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """What a select brings together: [query value, key value], whether a query sees such a key.

    ``later`` leaves out what it sees at the first position.
    """

    seen: Bools
    later: Bools

    @classmethod
    def none(cls, node: Node) -> Pairs:
        """Nothing so far."""
        keys, queries = (size_of(operand.type) or 0 for operand in node.operands)
        return cls(*(np.zeros((queries, keys), dtype=np.bool_) for _ in range(2)))


def pairs_met(
    program: Program, selects: Sequence[Node], space: InputSpace, inputs: int
) -> dict[Node, Pairs]:
    """What live selects of a program bring together on the inputs of its space.

    Never less than what they do; all inputs are run where they are at most ``inputs``. Selects that
    are too large are left out.
    """
    found = {node: Pairs.none(node) for node in selects if _is_small(node)}
    if not _are_few(program, space, inputs):
        for length in space.lengths() if found else ():
            cells = reachable_cells(program, space, length)
            for node, pairs in found.items():
                _add_pairs(pairs, node, cells, program.causal)
        return found
    for machine in _runs(program, space):
        for node, pairs in found.items():
            _see_pairs(pairs, node, machine, program.causal)
    return found


def rows_met(
    program: Program, tables: Sequence[Node], space: InputSpace, inputs: int
) -> dict[Node, Bools]:
    """Which rows of live tables some position looks up, [argument, …], on the inputs of a space.

    Never less than what they do; all inputs are run where they are at most ``inputs``. Tables that
    are too large are left out.
    """
    watched = [node for node in tables if _is_small(node)]
    if not _are_few(program, space, inputs):
        known = reachable_facts(program, space).rows
        return {node: known[node] for node in watched if node in known}
    found = {
        node: np.zeros([size_of(o.type) or 0 for o in node.operands], dtype=np.bool_)
        for node in watched
    }
    for machine in _runs(program, space):
        for node, rows in found.items():
            rows[tuple(_codes(operand, machine) for operand in node.operands)] = True
    return found


def _are_few(program: Program, space: InputSpace, inputs: int) -> bool:
    return space.count() <= inputs and _work(program, space) <= MAX_WORK


def _work(program: Program, space: InputSpace) -> int:
    cells = sum(length * count for length, count in space.count_by_length().items())
    return cells * len(program.live)


def _is_small(node: Node) -> bool:
    """Whether a table or select has few enough rows to watch."""
    return math.prod(size_of(o.type) or MAX_PAIRS + 1 for o in node.operands) <= MAX_PAIRS


def _runs(program: Program, space: InputSpace) -> Iterator[Machine]:
    """All inputs, a batch at a time."""
    interpreter = Interpreter(program)
    for _, tokens in space.batches(max(1, CELLS // max(space.lengths()) ** 2)):
        yield interpreter.machine(tokens)


def _codes(node: Node, machine: Machine) -> NDArray[np.intp]:
    state = machine.state(node)
    assert isinstance(state, Column)
    return np.broadcast_to(state.data.astype(np.intp), machine.tokens.shape)


def _see_pairs(pairs: Pairs, node: Node, machine: Machine, causal: bool) -> None:
    keys, queries = (_codes(operand, machine) for operand in node.operands)
    length, batch = keys.shape
    inputs = np.arange(batch)
    there, later = (np.zeros((pairs.seen.shape[1], batch), dtype=np.float32) for _ in range(2))
    # Queries in stretches that see the same keys: one by one in a causal program, else all.
    for stop in range(1, length + 1) if causal else (length,):
        start = stop - 1 if causal else 0
        there[keys[start:stop], inputs] = 1
        later[keys[max(start, 1) : stop], inputs] = 1
        asked = np.zeros((pairs.seen.shape[0], batch), dtype=np.float32)
        asked[queries[start:stop], inputs] = 1
        pairs.seen[:] |= asked @ there.T > 0
        pairs.later[:] |= asked @ later.T > 0


def _add_pairs(pairs: Pairs, node: Node, cells: dict[Node, Bools], causal: bool) -> None:
    """Any key that is there with any query, on inputs of one length."""
    if any(operand not in cells for operand in node.operands):
        pairs.seen[:] = pairs.later[:] = True
        return
    keys, queries = (exists(cells[operand], 1) for operand in node.operands)
    for seen, first in ((pairs.seen, 0), (pairs.later, 1)):
        given = keys.copy()
        given[:first] = False
        if causal:
            before = np.logical_or.accumulate(given, axis=0)
            seen |= exists(queries[:, :, None] & before[:, None, :], 0)
        else:
            seen |= exists(queries, 0)[:, None] & exists(given, 0)
