"""Every example through the whole compiler, each step compared with the one before it.

Programs are specialised to vocabularies and contexts small enough to prove everything.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import tpir
from tests.examples.oracles import EXAMPLES
from tests.examples.test_examples import FILES
from tpir.equiv.verdict import Answer
from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Unary, UnaryOp
from tpir.ir.ops import Map
from tpir.ir.program import Node, Program

MOST_INPUTS = 3_000

HELD = {
    "combine",
    "copy_word",
    "count",
    "count_less_freq",
    "count_up",
    "detect_pattern",
    "double_hist",
    "dyck1",
    "dyck2",
    "dyck_k",
    "first_occurrence",
    "hist",
    "induction",
    "length",
    "long_addition",
    "most_frequent",
    "next_larger",
    "palindrome",
    "parity",
    "reverse",
    "running_max",
    "shift",
    "sort_unique",
    "word_lengths",
}
"""The examples that fit into a Transformer Program: relations that all hold, one key or a count."""


def small(name: str) -> Program:
    """An example for its own alphabet and so long a context that all inputs are soon run."""
    example = EXAMPLES[name]
    vocabulary = sorted({token for tokens in example.inputs for token in tokens})
    count, context = len(vocabulary), 5
    while context > 2 and sum(count**k for k in range(1, context + 1)) > MOST_INPUTS:
        context -= 1
    return tpir.load(FILES[name], vocabulary=vocabulary, context=context).program


def spelled(program: Program) -> Program:
    """The program with its output in words: what the labels of a Transformer Program are."""
    builder, new = Builder(program.header), dict[Node, Node]()
    for node in program.nodes:
        new[node] = builder.copy(node, [new[operand] for operand in node.operands])
    ((name, output),) = program.outputs.items()
    word = Map(Unary(UnaryOp.WORD, Argument(0)))
    return builder.build({name: builder.add(word, [new[output]], name="spelled")})


@pytest.mark.parametrize("name", FILES)
def test_each_level_is_proved_equal(name: str) -> None:
    program = small(name)
    for level in (1, 2, 3):
        verdict = tpir.check(program, tpir.optimise(program, level=level))
        assert verdict.answer is Answer.PROVED, (level, str(verdict))


@pytest.mark.parametrize("name", FILES)
def test_emitted_python_is_proved_equal(name: str, tmp_path: Path) -> None:
    program = tpir.optimise(small(name), level=2)
    module = tmp_path / f"{name}.py"
    module.write_text(tpir.emit(program), encoding="utf-8")
    verdict = tpir.check(program, module)
    assert verdict.answer is Answer.PROVED, str(verdict)


@pytest.mark.parametrize("name", FILES)
def test_text_reads_back_equal(name: str) -> None:
    program = small(name)
    assert tpir.parse(tpir.format(program)) == program


@pytest.mark.parametrize("name", FILES)
def test_weights_and_back_are_proved_equal_or_the_node_is_named(name: str) -> None:
    program = small(name)
    try:
        words = tpir.optimise(spelled(program), level=2)
        checkpoint = tpir.compile(words)
    except tpir.TpirError as error:
        assert name not in HELD, str(error)
        assert "has no place in a Transformer Program" in error.message or "Real" in error.message
        return
    assert name in HELD
    for side in (checkpoint, tpir.lower(checkpoint)):
        verdict = tpir.check(words, side)
        assert verdict.answer is Answer.PROVED, str(verdict)
