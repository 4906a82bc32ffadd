"""How many keys selectors select: exactly, by running every input of a space."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tpir.ir.program import Node, Program
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.selection import CELLS, dense
from tpir.semantics.space import InputSpace


def selected_counts(
    program: Program, space: InputSpace, selectors: Collection[Node]
) -> Mapping[Node, tuple[int, int]]:
    """For each selector the least and the greatest number of keys that a query of it selects."""
    interpreter = Interpreter(program)
    longest = max(space.lengths())
    least, most = dict.fromkeys(selectors, longest), dict.fromkeys(selectors, 0)
    for _, tokens in space.batches(max(1, CELLS // longest**2)):
        states, _ = interpreter.states(tokens)
        for node in selectors:
            counts = dense(states[node]).sum(axis=1)
            least[node] = min(least[node], int(counts.min()))
            most[node] = max(most[node], int(counts.max()))
    return {node: (least[node], most[node]) for node in selectors}
