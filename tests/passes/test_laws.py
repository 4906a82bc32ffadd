"""The laws of passes, on random programs, with and without an accepted form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tests.passes.laws import Meaning, assert_laws, assert_same_meaning
from tests.strategies import programs
from tests.strategies_coarse import coarse_programs
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
ANY = accepting(st.one_of(programs(), transformer_programs(), coarse_programs()))

LEAST = 0.1
"""Each pass must change at least this share of the programs: else its laws are hardly tested."""


@pytest.mark.parametrize("passes", [SHIPPED[k::4] for k in range(4)], ids=str)
def test_laws_on_random_programs(passes: list[Pass]) -> None:
    changed: dict[Pass, list[bool]] = {each: [] for each in passes}

    @settings(max_examples=PROGRAMS // 2)
    @given(program=ANY)
    def check(program: Program) -> None:
        meaning = Meaning(program)
        for each in passes:
            changed[each].append(assert_laws(each, program, meaning).changed)

    check()
    shares = {each.name: sum(found) / len(found) for each, found in changed.items()}
    assert min(shares.values()) >= LEAST, shares


@pytest.mark.parametrize("number", [1, 2, 3])
@settings(max_examples=PROGRAMS // 4)
@given(program=ANY)
def test_levels_keep_the_meaning(number: int, program: Program) -> None:
    result = run_pipeline(program, level(number))
    assert_same_meaning(program, result.program)
    assert not run_pipeline(result.program, level(number)).changed
