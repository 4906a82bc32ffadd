"""Weights in which values that nothing tells apart stand for each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.backends.test_sets_and_tables import said
from tests.backends.test_transformer_program import Maker, answers, some_inputs, weights_answers
from tests.conftest import PROGRAMS
from tests.strategies_tp import transformer_programs
from tpir.backends import transformer_program_places
from tpir.backends.transformer_program import compile_transformer_program
from tpir.errors import TpirError
from tpir.ir.expressions import BinaryOp
from tpir.ir.ops import Aggregate, Always, Classify, Comparison, Map, Op, Select
from tpir.ir.program import Node, Program
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import Checkpoint
from tpir.models.config import Mlps


def narrow(program: Program, mlps: Mlps = "table") -> Checkpoint:
    return compile_transformer_program(program, mlps=mlps, narrow=True)


def still_right(program: Program, compiled: Checkpoint) -> bool:
    inputs = some_inputs(program)
    expected = answers(program, inputs)
    lowered = lower_transformer_program(compiled)
    return weights_answers(compiled, inputs) == expected == answers(lowered, inputs)


def sums(make: Maker) -> Node:
    """A sum of two counts, from 0 to 8."""
    less = make.builder.add(Select(Comparison(BinaryOp.LESS)), [make.tokens, make.tokens])
    return make.map(lambda n, m: n + m, make.width(less), make.width(every(make)))


def every(make: Maker) -> Node:
    return make.builder.add(Select(Always(True)), [make.indices, make.indices])


def compared(make: Maker, values: Node) -> Program:
    """A head at the key whose value is the query's position, at most 3."""
    same = make.match(values, make.indices, (0,), (1,), (2,), (3,))
    return make.read(make.head(same, make.tokens))


@pytest.mark.parametrize("mlps", ["relu", "table"])
def test_a_sum_is_as_wide_as_what_it_is_compared_with(mlps: Mlps) -> None:
    make = Maker(context=4)
    program = compared(make, sums(make))
    compiled = narrow(program, mlps)
    assert still_right(program, compiled)
    assert compiled.config.d_var == 5  # 0 to 3, and what is more
    assert compile_transformer_program(program, mlps=mlps).config.d_var == 9


def test_copies_and_tables_say_what_matters() -> None:
    make = Maker(context=4)
    total = sums(make)
    near = make.head(make.match(make.indices, make.tokens, (3,), (), (0,)), total)
    kind = make.map(lambda k, t: min(k // 3, 1) + (t == "a"), near, make.tokens)
    program = make.read(kind)
    compiled = narrow(program)
    assert still_right(program, compiled)
    assert compiled.config.d_var == 4
    program = make.read(kind, near)  # the readout tells all nine values apart
    assert still_right(program, narrow(program))
    assert narrow(program).config.d_var == 9


def test_values_that_are_told_apart_stay() -> None:
    make = Maker(context=4)
    program = said(make, sums(make))
    assert narrow(program).config.d_var == 9
    assert lower_transformer_program(narrow(program)) == lower_transformer_program(
        compile_transformer_program(program, mlps="table")
    )


def test_numbers_with_gaps_are_counted() -> None:
    make = Maker(context=4)
    far = make.map(lambda t: {"a": 2, "b": 30, "c": 31}[t], make.tokens)
    position = make.head(make.match(far, make.tokens, (2,), (30,), (31,)), make.indices)
    program = make.read(position)
    assert still_right(program, narrow(program))
    assert narrow(program).config.d_var == 4


def test_heads_read_what_tables_read() -> None:
    make = Maker(context=4)
    shifted = make.map(lambda i: i - 1, make.indices)
    odd = make.map(lambda i: i % 2, make.indices)
    program = make.read(make.head(make.match(odd, shifted, (), (1,), (0,), (0, 1)), make.tokens))
    assert still_right(program, narrow(program))
    assert narrow(program).config.n_cat_mlps == 0
    assert compile_transformer_program(program, mlps="table").config.n_cat_mlps == 2

    before = make.map(lambda n: n - 1, make.width(every(make)))
    same = make.match(make.indices, before, (), (0,), (1,), (2,), (3,))
    program = make.read(make.head(same, make.tokens))
    assert still_right(program, narrow(program))
    assert narrow(program).config.n_num_mlps == 1  # a count is read through a table anyway


def test_no_wide_variable_is_read_in_place_of_a_table() -> None:
    words = tuple(f"w{k}" for k in range(40))
    make = Maker(words)
    kind = make.map(lambda w: int(w[1:]) % 3, make.tokens)
    program = make.read(make.head(make.match(kind, kind, (0,), (2,), (1,)), make.indices))
    assert narrow(program).config.d_var == 4
    assert still_right(program, narrow(program))


@settings(max_examples=PROGRAMS // 8)
@given(transformer_programs(), st.sampled_from(["relu", "table"]))
def test_any_program(program: Program, mlps: Mlps) -> None:
    try:
        plain = compile_transformer_program(program, mlps=mlps)
    except TpirError:
        return
    compiled = narrow(program, mlps)
    # Heads may read a count, or the token, in place of a table of fewer values.
    assert compiled.config.d_var <= max(plain.config.d_var, program.context + 2)
    assert still_right(program, compiled)


@pytest.mark.parametrize("kind", [Select, Aggregate, Map, Classify])
def test_what_a_reader_overlooks_is_caught(monkeypatch: pytest.MonkeyPatch, kind: type[Op]) -> None:
    """Each kind of reader is forgotten in turn."""
    make = Maker(context=4)
    total = sums(make)
    program = {
        Select: lambda: compared(make, total),
        Aggregate: lambda: make.read(make.head(every(make), total)),
        Map: lambda: said(make, make.map(lambda n: n % 2, total)),
        Classify: lambda: make.read(total),
    }[kind]()
    assert still_right(program, narrow(program))
    right = transformer_program_places._reading

    def blind(user: Node, *rest: Any) -> NDArray[np.float64] | None:
        return None if isinstance(user.op, kind) else right(user, *rest)

    monkeypatch.setattr(transformer_program_places, "_reading", blind)
    assert not still_right(program, narrow(program))
