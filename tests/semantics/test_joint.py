"""Joint values against every input run one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tpir.semantics.joint as joint
from tests.conftest import PROGRAMS
from tests.strategies_forms import accepting
from tests.strategies_tp import transformer_programs
from tpir.ir.program import Node, Program
from tpir.ir.types import Pooled, Selector
from tpir.ir.values import value_key
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.joint import distinct_columns, joint_values
from tpir.semantics.program_space import space_of
from tpir.text import parse


def sequences(program: Program) -> list[Node]:
    return [n for n in program.live if not isinstance(n.type, Selector | Pooled)]


def slow(program: Program, nodes: Sequence[Node]) -> set[tuple[object, ...]]:
    found = set()
    interpreter = Interpreter(program)
    for length, tokens in space_of(program).batches(1):
        states, _ = interpreter.states(tokens)
        columns = []
        for node in nodes:
            state = states[node]
            assert isinstance(state, Column)
            columns.append([value_key(v) for v in state.decode(1)[0]])
        found |= {tuple(column[i] for column in columns) for i in range(length)}
    return found


@settings(max_examples=PROGRAMS // 20)
@given(program=accepting(transformer_programs()), data=st.data())
def test_joint_values(program: Program, data: st.DataObject) -> None:
    if space_of(program).count() > 400:
        return
    nodes = data.draw(st.lists(st.sampled_from(sequences(program)), min_size=1, max_size=4))
    columns = joint_values(program, nodes, space_of(program))
    assert columns is not None
    keys = [[value_key(c.decode(1)[0][0]) for c in split(column)] for column in columns]
    rows = list(zip(*keys, strict=True))
    assert len(rows) == len(set(rows))
    assert set(rows) == slow(program, nodes)


def split(column: Column) -> list[Column]:
    return [Column(column.type, column.data[:, k : k + 1]) for k in range(column.data.shape[1])]


def test_distinct_columns_with_colliding_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "_MIX", np.uint64(0))
    matrix: NDArray[np.int64] = np.array([[1, 2, 1, 3, 2], [0, 1, 0, 0, 1]])
    assert distinct_columns(matrix).T.tolist() == [[1, 0], [2, 1], [3, 0]]


def test_too_much_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    program = parse("n = selector_width(select(tokens, tokens, ==));", vocabulary="ab", context=3)
    node = program.by_name["n"]
    assert joint_values(program, [node], space_of(program)) is not None
    monkeypatch.setattr(joint, "MAX_HELD", 10)
    assert joint_values(program, [node], space_of(program)) is None
