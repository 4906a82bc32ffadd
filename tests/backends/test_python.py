"""Emitted modules, run for real, against the interpreter."""

from __future__ import annotations

import ast
import itertools
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import programs
from tpir.backends.python import emit_python
from tpir.ir.program import Program
from tpir.ir.values import Value, value_key
from tpir.semantics.interpreter import Outcome, run_many

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
Run = Callable[[list[Value]], object]


def load(text: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(text, "emitted", "exec"), names)
    return names


def outcome(program: Program, names: dict[str, object], tokens: list[Value]) -> Outcome:
    run, failure = names["run"], names.get("Failure", ())
    assert callable(run)
    try:
        found = run(list(tokens))
    except failure as error:  # type: ignore[misc]
        return Outcome(None, str(error))
    if len(program.outputs) == 1:
        found = {next(iter(program.outputs)): found}
    return Outcome({name: tuple(row) for name, row in found.items()}, None)


def sample_inputs(program: Program, count: int = 60) -> list[list[Value]]:
    noise = random.Random(0)
    everything = [
        list(tokens)
        for length in range(1, program.context + 1)
        for tokens in itertools.product(program.vocabulary, repeat=length)
    ]
    return everything if len(everything) <= count else noise.sample(everything, count)


def assert_agrees(program: Program, inputs: list[list[Value]] | None = None) -> None:
    inputs = sample_inputs(program) if inputs is None else inputs
    text = emit_python(program)
    names = load(text)
    for tokens, wanted in zip(inputs, run_many(program, inputs), strict=True):
        found = outcome(program, names, tokens)
        assert found.key == wanted.key, (tokens, found, wanted, text)


@settings(RELAXED, max_examples=200)
@given(programs())
def test_agrees_with_the_interpreter(program: Program) -> None:
    assert_agrees(program)
