"""Helpers of the Python backend's tests: emitted modules loaded and run for real."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Sequence

from tpir.backends.python import emit_python
from tpir.ir.builder import Builder
from tpir.ir.program import Header, Program
from tpir.ir.values import Value
from tpir.semantics.interpreter import Outcome, run_many

FORMAT = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "100"]


def load(text: str) -> dict[str, object]:
    """The names of a module, after running it."""
    names: dict[str, object] = {}
    exec(compile(text, "emitted", "exec"), names)
    return names


def outcome(program: Program, names: dict[str, object], tokens: Sequence[Value]) -> Outcome:
    """What the module's ``run`` makes of an input, as the interpreter would put it."""
    run, failure = names["run"], names.get("Failure", ())
    assert isinstance(run, Callable)
    try:
        found = run(list(tokens))
    except failure as error:
        return Outcome(None, str(error))
    if len(program.outputs) == 1:
        found = {next(iter(program.outputs)): found}
    return Outcome({name: tuple(row) for name, row in found.items()}, None)


def sample_inputs(program: Program, count: int = 60) -> list[list[Value]]:
    """Every input if there are few, else some of every length."""
    noise, inputs = random.Random(0), []
    for length in range(1, program.context + 1):
        if len(program.vocabulary) ** length <= count:
            inputs += map(list, itertools.product(program.vocabulary, repeat=length))
        else:
            each = max(1, count // program.context)
            inputs += [noise.choices(program.vocabulary, k=length) for _ in range(each)]
    return inputs


def assert_agrees(program: Program, inputs: list[list[Value]] | None = None) -> str:
    """The emitted module gives the interpreter's outcome on each input. Its text."""
    inputs = sample_inputs(program) if inputs is None else inputs
    text = emit_python(program)
    names = load(text)
    for tokens, wanted in zip(inputs, run_many(program, inputs), strict=True):
        found = outcome(program, names, tokens)
        assert found.key == wanted.key, (tokens, found, wanted, text)
        assert (found.failure is None) == (wanted.failure is None)
    return text


def builder(
    vocabulary: tuple[Value, ...] = ("a", "b", "c"), context: int = 5, *, causal: bool = False
) -> Builder:
    """A builder of a small program."""
    return Builder(Header(vocabulary, context, causal))


def assert_formatted(text: str) -> None:
    formatted = subprocess.run(
        [*FORMAT, "-"], input=text, capture_output=True, text=True, check=True
    )
    assert formatted.stdout == text


def opcodes(run: Callable[[list[Value]], object], tokens: list[Value]) -> int:
    """How many bytecode instructions a call executes."""
    count = 0

    def trace(frame: object, event: str, _: object) -> object:
        nonlocal count
        count += event == "opcode"
        frame.f_trace_opcodes = True
        return trace

    sys.settrace(trace)
    try:
        run(tokens)
    finally:
        sys.settrace(None)
    return count
