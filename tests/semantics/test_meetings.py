"""What comes together: exactly by running all inputs, and never less where they are not run."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tests.strategies import programs
from tests.strategies_forms import accepting
from tests.strategies_tp import transformer_programs
from tpir.ir.functions import Table
from tpir.ir.ops import Map, Select
from tpir.ir.program import Node, Program
from tpir.passes.failing import can_fail
from tpir.semantics.meetings import Pairs, pairs_met, rows_met
from tpir.semantics.program_space import space_of
from tpir.text import parse

ONE = """
context 3;
vocabulary {"<s>", "a", "b"};
accepts "<s>" ("a" | "b"){1,2};
table f { ("<s>", 0) -> 1; ("a", 1) -> 2; _ -> 3 }
table keys { "a" -> {"<s>", "b"}; _ -> "a" }
output met = f(tokens, indices);
output seen = selector_width(select(tokens, tokens, keys));
"""


def selects(program: Program) -> list[Node]:
    found = [n for n in program.live if isinstance(n.op, Select)]
    return [n for n in found if not any(map(can_fail, n.operands))]


def tables(program: Program) -> list[Node]:
    found = [n for n in program.live if isinstance(n.op, Map) and n.operands]
    found = [n for n in found if not any(map(can_fail, n.operands))]
    return [n for n in found if isinstance(n.op.function, Table)]  # type: ignore[union-attr]


def pairs(program: Program, inputs: int) -> Pairs:
    node = selects(program)[0]
    return pairs_met(program, [node], space_of(program), inputs)[node]


def test_rows() -> None:
    program = parse(ONE)
    node = tables(program)[0]
    rows = rows_met(program, [node], space_of(program), 100)[node]
    # tokens in the order of the vocabulary, positions 0 to 2
    assert rows.tolist() == [[True, False, False], [False, True, True], [False, True, True]]


def test_pairs() -> None:
    found = pairs(parse(ONE), 100)
    assert found.seen.all()
    assert found.later.tolist() == [[False, True, True]] * 3  # "<s>" is at the first position


def test_a_query_of_a_causal_program_sees_what_is_before_it() -> None:
    found = pairs(parse(ONE.replace("accepts", "causal; accepts")), 100)
    assert found.seen.tolist() == [[True, False, False], [True, True, True], [True, True, True]]
    assert found.later.tolist() == [[False, False, False], [False, True, True], [False, True, True]]


@settings(max_examples=PROGRAMS // 10)
@given(accepting(st.one_of(programs(), transformer_programs())))
def test_without_running_inputs_nothing_is_left_out(program: Program) -> None:
    space = space_of(program)
    exact = pairs_met(program, selects(program), space, space.count())
    rough = pairs_met(program, selects(program), space, 0)
    assert exact.keys() == rough.keys()
    for node, found in exact.items():
        assert not (found.seen & ~rough[node].seen).any()
        assert not (found.later & ~rough[node].later).any()
        assert not (found.later & ~found.seen).any()
    rows, rough_rows = (rows_met(program, tables(program), space, n) for n in (space.count(), 0))
    for node, known in rough_rows.items():
        assert not (np.asarray(rows[node]) & ~known).any()
