"""The laws of passes, on random programs, with and without an accepted form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tests.passes.laws import assert_laws, assert_same_meaning
from tests.strategies import programs
from tests.strategies_forms import accepting
from tests.strategies_tp import transformer_programs
from tpir.ir.program import Program
from tpir.passes.base import Pass
from tpir.passes.pipeline import PASSES, level, run_pipeline
from tpir.passes.reachable import Reachable
from tpir.passes.readout import ReadoutTerms

SHIPPED: list[Pass] = [
    *(kind() for kind in PASSES.values()),
    Reachable(exhaustive=2000),
    ReadoutTerms(exhaustive=2000),
]
ANY = accepting(st.one_of(programs(), transformer_programs()))


@pytest.mark.parametrize("each", SHIPPED, ids=str)
@settings(max_examples=PROGRAMS)
@given(program=ANY)
def test_laws_on_random_programs(each: Pass, program: Program) -> None:
    assert_laws(each, program)


@pytest.mark.parametrize("number", [1, 2, 3])
@settings(max_examples=PROGRAMS // 4)
@given(program=ANY)
def test_levels_keep_the_meaning(number: int, program: Program) -> None:
    result = run_pipeline(program, level(number))
    assert_same_meaning(program, result.program)
    assert not run_pipeline(result.program, level(number)).changed
