"""RASP-L as a library: equal to its paper's definitions in NumPy, and causal."""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import pytest

import tpir
from tests.backends.python_cases import load, outcome
from tests.examples.inputs import words
from tests.examples.raspl_numpy import CALLS, HELPERS, Call
from tests.examples.test_examples import EMITTED, keys
from tpir.ir.program import Program
from tpir.semantics.interpreter import run_many
from tpir.text import parse

ALPHABET = ("-1", "0", "1", "2")
INPUTS = words(ALPHABET, longest=16)
LIBRARY = (files("tpir.library") / "raspl.rasp").read_text(encoding="utf-8")


def program_of(call: Call) -> Program:
    text = f'load "raspl";\n{HELPERS}\nresult = {call.text};'
    return parse(text, vocabulary=ALPHABET, context=16)


def wanted(call: Call, tokens: list[str]) -> list[int]:
    return call.oracle(np.array([int(token) for token in tokens])).tolist()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.text)
def test_function_equals_the_paper(call: Call) -> None:
    program = program_of(call)
    for tokens, found in zip(INPUTS, run_many(program, INPUTS), strict=True):
        assert found.values is not None, (tokens, found.failure)
        values = found.values["result"]
        assert keys(values) == keys(wanted(call, tokens)), (tokens, values)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.text)
def test_emitted_python_equals_the_paper(call: Call) -> None:
    program = program_of(call)
    module = load(tpir.emit(program))
    for tokens in INPUTS[:: len(INPUTS) // EMITTED]:
        found = outcome(program, module, tokens)
        assert found.values is not None, (tokens, found.failure)
        assert keys(found.values["result"]) == keys(wanted(call, tokens)), tokens


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.text)
def test_no_position_sees_a_later_one(call: Call) -> None:
    outcomes = run_many(program_of(call), INPUTS)
    results = {tuple(t): o.values["result"] for t, o in zip(INPUTS, outcomes, strict=True)}
    for tokens, values in results.items():
        if tokens[:-1] in results:
            assert keys(values[:-1]) == keys(results[tokens[:-1]]), tokens


def test_every_function_has_a_case() -> None:
    defined = set(re.findall(r"^def ([a-z]\w*)", LIBRARY, re.MULTILINE))
    used = {word for call in CALLS for word in re.findall(r"\w+", call.text)}
    inner = {"aggr"}  # kqv is aggr of select_causal
    assert len(defined) >= 35
    assert not defined - used - inner


def test_words_can_be_copied() -> None:
    text = 'load "raspl";\na = shift_right(tokens, 1, "-");\nb = induct(tokens, tokens, 1, "-");'
    program = parse(f"{text}\noutput a;\noutput b;", vocabulary=("a", "b", "c"), context=5)
    assert tpir.run(program, list("abcab")) == {"a": tuple("-abca"), "b": tuple("---bc")}
