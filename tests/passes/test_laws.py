"""The laws of passes, on random programs and on the shared checkpoints."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.conftest import PROGRAMS
from tests.passes.laws import assert_laws, assert_same_meaning
from tests.strategies import programs
from tpir.ir.program import Program
from tpir.passes.base import Pass
from tpir.passes.pipeline import PASSES, level, run_pipeline
from tpir.passes.reachable import Reachable

SHIPPED: list[Pass] = [*(kind() for kind in PASSES.values()), Reachable(exhaustive=2000)]


@pytest.mark.parametrize("each", SHIPPED, ids=str)
@settings(max_examples=PROGRAMS // 8)
@given(program=programs())
def test_laws_on_random_programs(each: Pass, program: Program) -> None:
    assert_laws(each, program)


@pytest.mark.parametrize("number", [1, 2, 3])
@settings(max_examples=PROGRAMS // 8)
@given(program=programs())
def test_levels_keep_the_meaning(number: int, program: Program) -> None:
    result = run_pipeline(program, level(number))
    assert_same_meaning(program, result.program)
    assert not run_pipeline(result.program, level(number)).changed
