"""Tracr's test table through the compiler: its cases exactly, and the programs that it refuses."""

from __future__ import annotations

import pytest

import tpir
from tests.tracr_cases import TABLE, refused_by_tracr, tracr_cases
from tpir.equiv.verdict import Answer
from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_predict import predict

TOLERANCE = 1e-4
"""Of real numbers, relative above 1."""


@pytest.fixture(autouse=True)
def _table() -> None:
    if not TABLE.is_file():
        pytest.skip(f"no table at {TABLE}: Tracr's test cases were not compiled")


def compiled(program: Program) -> TransformerCheckpoint:
    return tpir.compile(tpir.optimise(program, level=2), target="transformer")


def right(value: Value, expected: Value, exact: bool) -> bool:
    if exact or isinstance(value, str) or isinstance(expected, str):
        return value == expected
    return abs(value - expected) <= TOLERANCE * max(1.0, abs(expected))


def test_every_case_gives_the_expected_output() -> None:
    cases = tracr_cases()
    assert len(cases) == 43 + 11
    for case in cases:
        weights = compiled(case.program)
        (values,) = predict(weights, [case.tokens])[0].values()
        exact = weights.outputs[0].values is not None and not any(
            isinstance(v, float) for v in weights.outputs[0].values
        )
        pairs = zip(values, case.expected, strict=True)
        assert all(right(v, e, exact) for v, e in pairs), (case.name, values, case.expected)


def test_what_tracr_refuses_is_proved() -> None:
    programs = refused_by_tracr()
    assert len(programs) == 9
    for refused in programs:
        verdict = tpir.check(refused.program, compiled(refused.program))
        assert verdict.answer is Answer.PROVED, (refused.name, str(verdict))
