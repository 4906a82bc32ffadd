"""Programs compiled to standard Transformers compute what the interpreter says."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings

import tpir
from tests.conftest import PROGRAMS
from tests.examples.test_every_step import FILES, small
from tests.strategies import programs
from tpir.equiv.verdict import Answer
from tpir.ir.program import Program

TOO_ROUGH = {"double_hist_bos", "sort_by_frequency_bos"}
"""Examples that invert fractions and compare what comes out: float32 is too rough for them."""

refused: Counter[str] = Counter()


@pytest.mark.parametrize("name", FILES)
def test_every_example_is_proved_or_refused_by_name(name: str) -> None:
    program = tpir.optimise(small(name), level=2)
    if name in TOO_ROUGH:
        with pytest.raises(tpir.TpirError, match=r"too rough to be told apart; try .*float64"):
            tpir.compile(program, target="transformer")
        return
    verdict = tpir.check(program, tpir.compile(program, target="transformer"))
    assert verdict.answer is Answer.PROVED, str(verdict)


@settings(max_examples=PROGRAMS)
@given(programs())
def test_any_program_is_computed_or_refused(program: Program) -> None:
    try:
        compiled = tpir.compile(program, target="transformer")
    except tpir.TpirError as error:
        refused[error.message.partition("Transformer: ")[2]] += 1
        return
    refused["no"] += 1
    verdict = tpir.check(program, compiled, limit=2_000, samples=200)
    if verdict.answer is Answer.REFUTED:
        assert verdict.counterexample is not None
        assert verdict.counterexample.left.values is None, str(verdict)  # it fails


def test_not_too_much_was_refused() -> None:
    if not refused:
        pytest.skip("runs after test_any_program_is_computed_or_refused")
    assert refused["no"] > refused.total() / 2, refused
