"""Which values occur where: exactly, by running every input of a space that is small enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import Relation, Table
from tpir.ir.ops import Choose, Map, Select
from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled, Selector, size_of
from tpir.ir.values import Key, Value, sorted_values, value_key
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.machine import State
from tpir.semantics.program_space import space_of
from tpir.semantics.reach_heads import exists
from tpir.semantics.reachable import MAX_VALUES, Bools, Facts, add_fact
from tpir.semantics.selection import CELLS, HardSelection, dense
from tpir.semantics.space import InputSpace

MAX_PAIRS = 2**25
"""Numbers are not observed where inputs times length squared is more than this."""

MAX_ROWS = 2**20
"""Tables of more rows are not watched."""


def observed_facts(program: Program, space: InputSpace) -> Facts:
    """What happens on the inputs of ``space``: all are run, in batches of bounded memory."""
    facts = Facts.before(program)
    interpreter = Interpreter(program)
    longest = max(space.lengths())
    for length, tokens in space.batches(max(1, CELLS // longest**2)):
        states, _ = interpreter.states(tokens)
        for node in program.live:
            _observe(facts, node, states, (length, tokens.shape[1]))
    return facts


def observed_numbers(program: Program, node: Node, most: int) -> tuple[Value, ...] | None:
    """The values of a sequence of numbers on the inputs of a program, sorted.

    None where the program has too many inputs to run them all, or the node more than ``most``
    values.
    """
    space = space_of(program)
    pairs = sum(n * length**2 for length, n in space.count_by_length().items())
    if pairs > MAX_PAIRS:
        return None
    interpreter, found = Interpreter(program), dict[Key, Value]()
    for _, tokens in space.batches(max(1, CELLS // max(space.lengths()) ** 2)):
        state = interpreter.machine(tokens).state(node)
        assert isinstance(state, Column)
        codes, tags = state.data.ravel(), None if state.tags is None else state.tags.ravel()
        rows = codes.reshape(1, -1) if tags is None else np.stack([codes, tags])
        different = np.unique(rows, axis=1)
        column = Column(
            node.type, different[:1], None if tags is None else different[1:].astype(np.uint8)
        )
        found |= {value_key(v): v for row in column.decode(different.shape[1]) for v in row}
        if len(found) > most:
            return None
    return sorted_values(tuple(found.values()))


def _observe(facts: Facts, node: Node, states: dict[Node, State], shape: tuple[int, int]) -> None:
    match node.op:
        case Select(Relation()):
            matched = exists(dense(states[node]), 1)
            _note_queries(facts.matched, node, _codes(states[node.operands[1]]), matched, shape)
        case Choose():
            _observe_choice(facts, node, states, shape)
        case Map(Table(results=results)) if 0 < len(results) <= MAX_ROWS:
            _observe_rows(facts, node, states, shape)
    if isinstance(node.type, Selector | Pooled):
        return
    size = size_of(node.type)
    if size is not None and size <= MAX_VALUES:
        seen = np.bincount(_codes(states[node]).ravel(), minlength=size) > 0
        add_fact(facts.values, node, seen)


def _observe_rows(
    facts: Facts, node: Node, states: dict[Node, State], shape: tuple[int, int]
) -> None:
    sizes = [size_of(operand.type) or 0 for operand in node.operands]
    index: NDArray[np.intp] = np.zeros((1, 1), dtype=np.intp)
    for size, operand in zip(sizes, node.operands, strict=True):
        index = index * size + _codes(states[operand])
    rows = np.bincount(index.ravel(), minlength=int(np.prod(sizes))) > 0
    add_fact(facts.rows, node, rows.reshape(sizes))


def _observe_choice(
    facts: Facts, node: Node, states: dict[Node, State], shape: tuple[int, int]
) -> None:
    state, selector = states[node], node.operands[0]
    if node in facts.single and (dense(states[selector]).sum(axis=1) > 1).any():
        facts.single.discard(node)
    if not isinstance(state, HardSelection):
        facts.own.discard(node)
        return
    position = np.broadcast_to(state.position, shape)
    queries = np.arange(shape[0])[:, None]
    if (position != queries).any():
        facts.own.discard(node)
    if node in facts.places:
        facts.places[node][np.broadcast_to(queries, shape), position] = True
    if isinstance(selector.op, Select) and isinstance(selector.op.predicate, Relation):
        codes = _codes(states[selector.operands[1]])
        size = size_of(selector.operands[1].type) or 0
        _note(facts.elsewhere, node, codes, position > 0, shape, size)


def _note_queries(
    facts: dict[Node, Bools],
    node: Node,
    codes: NDArray[np.intp],
    seen: Bools,
    shape: tuple[int, int],
) -> None:
    _note(facts, node, codes, seen, shape, size_of(node.operands[1].type) or 0)


def _note(
    facts: dict[Node, Bools],
    node: Node,
    codes: NDArray[np.intp],
    seen: Bools,
    shape: tuple[int, int],
    size: int,
) -> None:
    """Note the codes at the places where something was seen."""
    where = np.broadcast_to(codes, shape)[np.broadcast_to(seen, shape)]
    add_fact(facts, node, np.bincount(where, minlength=size) > 0)


def _codes(state: State) -> NDArray[np.intp]:
    assert isinstance(state, Column)
    return state.data.astype(np.intp)
