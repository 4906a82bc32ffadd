"""Every program in ``examples/`` computes what its oracle says, and what its own header shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import tpir
from tests.backends.python_cases import load, outcome
from tests.cli.conftest import Cli
from tests.cli.conftest import cli as cli
from tests.examples.inputs import AT_LEAST
from tests.examples.oracles import EXAMPLES, Example
from tpir.ir.program import Program
from tpir.ir.values import value_key
from tpir.semantics.interpreter import run_many

ROOT = Path(__file__).resolve().parents[2]
FILES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.rasp"))}
SHOWN = re.compile(r"^#     \$ (tpir run [^\n]*)\n#     ([^\n]*)$", re.MULTILINE)

EMITTED = 120
"""How many inputs the emitted Python is run on."""


def specialised(path: Path, inputs: list[list[str]]) -> Program:
    """The program for the tokens and lengths of the inputs."""
    vocabulary = sorted({token for tokens in inputs for token in tokens})
    context = max(map(len, inputs))
    return tpir.load(path, vocabulary=vocabulary, context=context).program


def keys(values: list[object]) -> list[object]:
    """What values are compared by: 1, 1.0 and True are three."""
    return [value_key(value) for value in values]


def test_every_example_has_an_oracle() -> None:
    assert FILES.keys() == EXAMPLES.keys()


@pytest.mark.parametrize("name", FILES)
def test_example_equals_its_oracle(name: str) -> None:
    example: Example = EXAMPLES[name]
    assert len(example.inputs) >= AT_LEAST
    program = specialised(FILES[name], example.inputs)
    for tokens, found in zip(example.inputs, run_many(program, example.inputs), strict=True):
        assert found.values is not None, (tokens, found.failure)
        (values,) = found.values.values()
        assert keys(values) == keys(example.oracle(tokens)), (tokens, values)


@pytest.mark.parametrize("name", FILES)
def test_emitted_python_equals_the_oracle(name: str) -> None:
    example = EXAMPLES[name]
    step = len(example.inputs) // EMITTED
    program = specialised(FILES[name], example.inputs)
    module = load(tpir.emit(program))
    for tokens in example.inputs[::step]:
        found = outcome(program, module, tokens)
        assert found.values is not None, (tokens, found.failure)
        (values,) = found.values.values()
        assert keys(values) == keys(example.oracle(tokens)), (tokens, values)


@pytest.mark.parametrize("name", FILES)
def test_header_shows_what_the_program_prints(name: str, cli: Cli) -> None:
    shown = SHOWN.findall(FILES[name].read_text(encoding="utf-8"))
    assert shown
    for command, printed in shown:
        _, run, path, *options = shlex.split(command)
        assert path == f"examples/{name}.rasp"
        answer = cli(run, ROOT / path, *options)
        assert (answer.status, answer.out.strip()) == (0, printed), answer.err
