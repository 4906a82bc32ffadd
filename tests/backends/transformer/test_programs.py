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

refused: Counter[str] = Counter()


@pytest.mark.parametrize("name", FILES)
def test_every_example_is_proved(name: str) -> None:
    program = tpir.optimise(small(name), level=2)
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
        fails = verdict.counterexample.left.values is None
        assert fails, f"{verdict}\n{tpir.format(program)}"


def test_not_too_much_was_refused() -> None:
    if not refused:
        pytest.skip("runs after test_any_program_is_computed_or_refused")
    assert refused["no"] > refused.total() / 2, refused
