"""The standard library computes what its oracles say, and what its own comments show."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

import tpir
from tests.backends.python_cases import load, outcome
from tests.examples.inputs import words
from tests.examples.library_oracles import ORIGINAL, OWN, Call
from tests.examples.test_examples import EMITTED, keys
from tpir.ir.program import Program
from tpir.semantics.interpreter import run_many
from tpir.text import parse

INPUTS = words("012", longest=20)
LIBRARY = (files("tpir.library") / "std.rasp").read_text(encoding="utf-8")
DEFINED = re.findall(r"^(?:def )?([a-z]\w*)(?= =|\()", LIBRARY, re.MULTILINE)
EXAMPLE = re.compile(r"(\w+\(.*\)) on \"(.+?)\" is\s(.+?)\.(?:\s|$)")
COMMENTS = re.findall(r"(?:^#.*\n)+", LIBRARY, re.MULTILINE)


def program_of(call: str, context: int = 20) -> Program:
    return parse(f"result = {call};", vocabulary=("0", "1", "2"), context=context)


@pytest.mark.parametrize("call", [*ORIGINAL, *OWN], ids=lambda call: call.text)
def test_function_equals_its_oracle(call: Call) -> None:
    program = program_of(call.text)
    for tokens, found in zip(INPUTS, run_many(program, INPUTS), strict=True):
        assert found.values is not None, (tokens, found.failure)
        values = found.values["result"]
        assert keys(values) == keys(call.oracle(tokens)), (tokens, values)


@pytest.mark.parametrize("call", [*ORIGINAL, *OWN], ids=lambda call: call.text)
def test_emitted_python_equals_the_oracle(call: Call) -> None:
    program = program_of(call.text)
    module = load(tpir.emit(program))
    for tokens in INPUTS[:: len(INPUTS) // EMITTED]:
        found = outcome(program, module, tokens)
        assert found.values is not None, (tokens, found.failure)
        assert keys(found.values["result"]) == keys(call.oracle(tokens)), tokens


def test_every_name_has_a_case() -> None:
    used = {word for call in [*ORIGINAL, *OWN] for word in re.findall(r"\w+", call.text)}
    assert len(DEFINED) > 40
    assert not set(DEFINED) - used


def examples() -> list[tuple[str, str, str]]:
    """Each ``CALL on "WORD" is VALUE`` of the comments: a list, or one value for all positions."""
    joined = [re.sub(r"\n# ", " ", comment) for comment in COMMENTS]
    return [found for comment in joined for found in EXAMPLE.findall(comment)]


@pytest.mark.parametrize(("call", "word", "shown"), examples())
def test_comments_show_what_functions_give(call: str, word: str, shown: str) -> None:
    program = parse(f"result = {call};", vocabulary=sorted(set(word)), context=len(word))
    values = [str(value) for value in tpir.run(program, list(word))["result"]]
    if shown.startswith("["):
        assert f"[{', '.join(values)}]" == shown
    else:
        assert set(values) == {shown.removesuffix(" everywhere").strip('"')}


def test_a_program_may_have_its_own_hist_and_the_library_keeps_its_rank() -> None:
    text = "hist = 3 * indices; rank = 7; output hist; output m = maximum(full_s, tokens, 0);"
    program = parse(text, vocabulary=("a", "b"), context=3)
    assert tpir.run(program, ["a", "b", "a"]) == {"hist": (0, 3, 6), "m": ("b", "b", "b")}
