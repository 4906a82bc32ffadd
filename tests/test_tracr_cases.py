"""Tracr's test table: our texts of its programs mean what it expects, by the interpreter."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.tracr_cases import PROGRAMS, TABLE, read_table, refused_by_tracr, tracr_cases
from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.semantics.interpreter import run_many


@pytest.fixture(autouse=True)
def table() -> Path:
    """The table; skips a test that needs it where it is missing."""
    if not TABLE.is_file():
        pytest.skip(f"no table at {TABLE}: Tracr's test cases did not run")
    return TABLE


def computed(program: Program, tokens: list[Value]) -> list[Value]:
    (outcome,) = run_many(program, [tokens])
    assert outcome.values is not None, (tokens, outcome.failure)
    (values,) = outcome.values.values()
    return list(values)


def same(value: Value, expected: Value) -> bool:
    """Words and whole numbers exactly; real numbers but for the last bits."""
    if isinstance(value, str) or isinstance(expected, str):
        return value == expected
    return abs(value - expected) <= (1e-12 if isinstance(value, float) else 0)


def test_the_table_is_whole() -> None:
    table = read_table()
    counts = {kind: len(cases) for kind, cases in table.items() if kind != "note"}
    assert counts == {"universal": 10, "bidirectional": 33, "causal": 1, "unsupported_by_tracr": 9}
    named = {str(entry["testcase_name"]).strip('"') for kind in counts for entry in table[kind]}
    assert named == PROGRAMS.keys()


def test_cases_give_the_expected_outputs() -> None:
    cases = tracr_cases()
    assert len(cases) == 43 + 11
    for case in cases:
        values = computed(case.program, case.tokens)
        assert len(values) == len(case.expected), case.name
        assert all(map(same, values, case.expected)), (case.name, values, case.expected)


def test_programs_that_tracr_refuses_mean_what_they_say_on_every_input() -> None:
    programs = refused_by_tracr()
    assert len(programs) == 9
    for refused in programs:
        header = refused.program.header
        assert (header.vocabulary, header.context) == ((1, 2, 3), 5)
        for length in range(1, 6):
            for tokens in itertools.product((1, 2, 3), repeat=length):
                values = computed(refused.program, list(tokens))
                wanted = refused.oracle(tokens)
                assert all(map(same, values, wanted)), (refused.name, tokens, values, wanted)
