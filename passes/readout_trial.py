"""Readout features that no input needs: found by leaving them out and running every input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.ir.exact_sums import Floats, rows_of_feature
from tpir.ir.functions import TableWeights
from tpir.ir.ops import Classify
from tpir.ir.program import Node, Program
from tpir.ir.types import values_of
from tpir.passes.base import rows_of
from tpir.passes.failing import can_fail
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.selection import CELLS
from tpir.semantics.space import InputSpace

MIN_LEAD = 1e-3
"""A feature stays if without it a label would win by less than this, and by less than it did.

The program would be right without it, but weights run in float32 might not be.
"""

MAX_LOGITS = 2**25
"""Readouts of more logits than this, over all inputs and positions, are not tried."""


@dataclass(frozen=True, eq=False)
class _Cells:
    """Some positions of some inputs: codes of features, logits (label, cell), winner and lead."""

    codes: list[NDArray[np.intp]]
    logits: Floats
    winner: NDArray[np.intp]
    lead: Floats

    def needs(self, table: Floats, feature: int) -> bool:
        """Whether some cell needs a feature that adds ``table`` (label, code)."""
        winner, lead = _winners(self.logits - table[:, self.codes[feature]])
        weaker = lead < np.minimum(self.lead, MIN_LEAD)
        return bool(((winner != self.winner) | weaker).any())

    def without(self, table: Floats, feature: int) -> _Cells:
        """The cells when the feature is gone."""
        logits = self.logits - table[:, self.codes[feature]]
        return _Cells(self.codes, logits, self.winner, self.lead)


def unneeded_features(program: Program, node: Node, space: InputSpace) -> list[int]:
    """Features (places in the operand list) that can all go at once without changing any label.

    The sums must be exact. One feature after the other is tried, those first that free most.
    """
    op = node.op
    assert isinstance(op, Classify)
    positions = sum(length * n for length, n in space.count_by_length().items())
    if positions * len(op.labels) > MAX_LOGITS or len(op.labels) < 2:
        return []
    tables = [_contributions(op, node, k) for k in range(len(node.operands))]
    cells = list(_cells(program, node, tables, space))
    gone: list[int] = []
    left = [k for k in range(len(tables)) if not can_fail(node.operands[k])]
    progress = True
    while progress:
        progress = False
        for k in sorted(left, key=lambda k: (-_freed(program, node, [*gone, k]), k)):
            if not any(c.needs(tables[k], k) for c in cells):
                cells = [c.without(tables[k], k) for c in cells]
                gone.append(k)
                left.remove(k)
                progress = True
    return sorted(gone)


def _contributions(op: Classify, node: Node, feature: int) -> Floats:
    """What a feature adds: (label, code)."""
    weights = op.weights[feature]
    rows = rows_of_feature(weights)
    if isinstance(weights, TableWeights):
        return np.ascontiguousarray(rows.T)
    domain = values_of(node.operands[feature].type) or ()
    numbers = np.array([float(v) for v in domain if not isinstance(v, str)])
    table: Floats = rows[0][:, None] * numbers
    return table


def _cells(
    program: Program, node: Node, tables: list[Floats], space: InputSpace
) -> Iterator[_Cells]:
    op = node.op
    assert isinstance(op, Classify)
    features = {str(k): operand for k, operand in enumerate(node.operands)}
    interpreter = Interpreter(Program(program.header, program.nodes, features))
    for length, tokens in space.batches(max(1, CELLS // max(space.lengths()) ** 2)):
        states, _ = interpreter.states(tokens)
        shape = (length, tokens.shape[1])
        codes = []
        for operand in node.operands:
            column = states[operand]
            assert isinstance(column, Column)
            data = np.broadcast_to(column.data, shape).ravel()
            codes.append(data)
        logits = np.repeat(np.array(op.bias)[:, None], length * tokens.shape[1], axis=1)
        for table, code in zip(tables, codes, strict=True):
            logits += table[:, code]
        yield _Cells(codes, logits, *_winners(logits))


def _winners(logits: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The first label with the highest logit, and by how much it leads."""
    winner = logits.argmax(axis=0)
    best = np.partition(logits, -2, axis=0)
    lead: Floats = best[-1] - best[-2]
    return winner, lead


def _freed(program: Program, node: Node, features: list[int]) -> int:
    """How many nodes and rows die with these features."""
    kept = [o for k, o in enumerate(node.operands) if k not in features]
    outputs = [o for o in program.outputs.values() if o is not node]
    reached: set[Node] = {node}
    stack = [*kept, *outputs, *(u for u in program.users[node])]
    while stack:
        current = stack.pop()
        if current not in reached:
            reached.add(current)
            stack.extend(current.operands)
    return sum(1 + rows_of(n.op) for n in program.live if n not in reached)
