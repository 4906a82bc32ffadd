"""What comes back: the same weights from a lowered program, and the same program from weights."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tpir
from tests.examples.test_every_step import small
from tests.examples.test_examples import FILES
from tests.lowering.normal_programs import normal_program
from tests.strategies import programs
from tpir.backends.transformer import compile_transformer
from tpir.ir.builder import Builder
from tpir.ir.functions import Table
from tpir.ir.ops import And, Classify, ClassifyPooled, Map, Or
from tpir.ir.program import Node, Program
from tpir.ir.values import value_key
from tpir.lowering.transformer import lower_transformer
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.semantics.interpreter import run_many

OTHERS = {"sort_bos", "sort_by_frequency_bos"}
"""Their weights lower to programs that compile to other weights."""

EQUAL = {"hist", "length", "next_larger", "sort_unique"}
"""Programs that come back as they were: the others have expressions, or copy what they compute."""

LEAST_SHARE = 0.92
"""Of random programs of every op, how many give the same weights again: 172 of 183 here."""

LEAST_OF_BLOCKS = 0.6
"""The same of those that take a block at all: 26 of 37 here."""


def equal_weights(left: TransformerCheckpoint, right: TransformerCheckpoint) -> bool:
    """Whether two checkpoints hold the same numbers, bit for bit."""
    return left.state.keys() == right.state.keys() and all(
        torch.equal(left.state[k], right.state[k]) for k in left.state
    )


@pytest.mark.parametrize("name", FILES)
def test_lowered_examples_compile_to_the_same_weights(name: str) -> None:
    program = small(name)
    weights = compile_transformer(program)
    lowered = lower_transformer(weights)
    assert equal_weights(weights, compile_transformer(lowered)) == (name not in OTHERS)
    assert (lowered == program) == (name in EQUAL)
    simple = tpir.optimise(lowered, level=2) == tpir.optimise(program, level=2)
    assert simple == (name in EQUAL)


@pytest.mark.parametrize("name", FILES)
def test_weights_do_not_depend_on_how_a_program_is_written(name: str) -> None:
    program = small(name)
    weights = compile_transformer(program)
    for seed in range(2):
        written = rewritten(program, Random(seed))
        assert equal_weights(weights, compile_transformer(written)), tpir.format(written)


@given(st.integers(0, 2**32 - 1))
def test_programs_in_normal_form_are_recovered(seed: int) -> None:
    program = normal_program(Random(seed))
    weights = compile_transformer(program)
    lowered = lower_transformer(weights)
    assert said(lowered) == said(program), tpir.format(lowered)
    assert equal_weights(weights, compile_transformer(lowered))


def test_most_random_programs_compile_to_the_same_weights_again() -> None:
    """But for those that fail somewhere, where weights answer something, and for readouts."""
    same: list[bool] = []
    same_blocks: list[bool] = []

    @settings(
        max_examples=300,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def count(program: Program) -> None:
        if any(isinstance(node.op, Classify | ClassifyPooled) for node in program.live):
            return
        lengths = range(1, program.context + 1)
        inputs = [x for n in lengths for x in product(program.vocabulary, repeat=n)]
        if any(outcome.values is None for outcome in run_many(program, inputs)):
            return
        try:
            weights = compile_transformer(program)
            again = compile_transformer(lower_transformer(weights))
        except tpir.TpirError:
            return
        same.append(equal_weights(weights, again))
        if weights.blocks:
            same_blocks.append(same[-1])

    count()
    assert len(same) > 100
    assert sum(same) >= LEAST_SHARE * len(same), (sum(same), len(same))
    assert len(same_blocks) > 20
    assert sum(same_blocks) >= LEAST_OF_BLOCKS * len(same_blocks), (
        sum(same_blocks),
        len(same_blocks),
    )
    print(f"{sum(same)} of {len(same)}; with a block {sum(same_blocks)} of {len(same_blocks)}")


def rewritten(program: Program, noise: Random) -> Program:
    """The same program: nodes in another order, conditions and arguments of tables swapped."""
    builder, new = Builder(program.header), dict[Node, Node]()
    left = list(program.live)
    while left:
        ready = [n for n in left if all(operand in new for operand in n.operands)]
        node = noise.choice(ready)
        left.remove(node)
        operands = [new[operand] for operand in node.operands]
        op = node.op
        if isinstance(op, And | Or) and noise.random() < 0.5:
            operands.reverse()
        if isinstance(op, Map) and isinstance(op.function, Table) and len(operands) == 2:
            rows, columns = op.function.domains
            turned = Table.tabulate([columns, rows], lambda b, a, f=op.function: f(a, b))
            op, operands = Map(turned), operands[::-1]
        new[node] = builder.add(op, operands, name=f"x{noise.randrange(100)}")
    return builder.build({name: new[node] for name, node in program.outputs.items()})


def said(program: Program) -> object:
    """What the outputs are, up to names, the order of conditions and of a table's arguments."""
    keys: dict[Node, object] = {}
    for node in program.live:
        operands = [keys[operand] for operand in node.operands]
        function = node.op.function if isinstance(node.op, Map) else None
        if isinstance(node.op, And):
            keys[node] = ("and", frozenset(operands))
        elif isinstance(function, Table):
            rows = product(*function.domains)
            keys[node] = frozenset(
                (frozenset(zip(operands, map(value_key, row), strict=True)), value_key(result))
                for row, result in zip(rows, function.results, strict=True)
            )
        else:
            keys[node] = (node.op, tuple(operands))
    return {name: keys[node] for name, node in program.outputs.items()}
