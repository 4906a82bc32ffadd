"""Long inputs, which run in blocks of queries: against the plain version, and traced."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS
from tests.semantics.plain import run_plain
from tests.strategies import programs
from tpir.ir.builder import Builder
from tpir.ir.expressions import BinaryOp
from tpir.ir.ops import And, Comparison, Indices, Not, Op, Or, Select, SelectorWidth, Tokens
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import Selector
from tpir.ir.values import Value
from tpir.semantics import selection
from tpir.semantics.columns import Column
from tpir.semantics.interpreter import Interpreter, run, run_many, trace
from tpir.text import parse


@contextmanager
def blocks_of(cells: int, heavy: int = 2) -> Iterator[None]:
    """Blocks of few queries, and selectors of more than ``heavy`` parts kept as bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "CELLS", cells)
        patch.setattr(selection, "HEAVY", heavy)
        yield


SMALL = pytest.mark.parametrize("cells", [1, 7, 40, 300])


def some_inputs(program: Program, seed: int) -> list[tuple[Value, ...]]:
    noise = random.Random(seed)
    lengths = [1, program.context, *(noise.randint(1, program.context) for _ in range(3))]
    return [tuple(noise.choices(program.vocabulary, k=n)) for n in lengths for _ in range(2)]


@SMALL
@settings(max_examples=PROGRAMS // 8)
@given(programs(max_nodes=14, max_context=20), st.integers(0, 2**32 - 1))
def test_blocks_mean_what_plain_loops_mean(cells: int, program: Program, seed: int) -> None:
    inputs = some_inputs(program, seed)
    with blocks_of(cells):
        outcomes = run_many(program, inputs)
    for tokens, outcome in zip(inputs, outcomes, strict=True):
        assert outcome.key == run_plain(program, tokens).key, tokens


@settings(max_examples=PROGRAMS // 8)
@given(programs(max_nodes=14, max_context=20), st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_a_trace_is_the_same_in_blocks_and_whole(program: Program, seed: int, cells: int) -> None:
    """And holds what an untraced run gives, which forgets what it needs no more."""
    (tokens, *_) = some_inputs(program, seed)[2:]
    whole = trace(program, tokens)
    with blocks_of(cells):
        assert repr(trace(program, tokens)) == repr(whole)
        outcome = run_many(program, [tokens])[0]
    if outcome.values is not None:
        held = {name: tuple(whole[node.name]) for name, node in program.outputs.items()}
        assert repr(dict(outcome.values)) == repr(held)


SORT_BY_FREQUENCY = """
    hist = selector_width(select(tokens, tokens, ==));
    copies = select(tokens, tokens, ==) and select(indices, indices, <);
    key = -hist + 300 * indicator(selector_width(copies) > 0);
    before = select(key, key, <) or (select(key, key, ==) and select(indices, indices, <));
    place = selector_width(before);
    output sorted = aggregate(select(place, indices, ==), tokens, "-");
    output mean = aggregate(select(place, indices, <=), 0.1 * hist);
    output last = aggregate(choose(before, order=last, otherwise=none), indices, -1);
    output near = aggregate(closest(select(tokens, tokens, ==)), place);
"""


@pytest.mark.parametrize("causal", [False, True])
def test_a_thousand_tokens_by_plain_python(causal: bool) -> None:
    """Two blocks of the true size, each output worked out another way."""
    text = ("causal;" if causal else "") + SORT_BY_FREQUENCY
    tokens = random.Random(0).choices("abcdefgh", k=1000)
    length = len(tokens)
    assert length**2 > selection.CELLS
    program = parse(text, vocabulary="abcdefgh", context=length)
    found = run(program, tokens)

    def seen(i: int) -> range:
        return range(i + 1) if causal else range(length)

    hist = [sum(tokens[j] == tokens[i] for j in seen(i)) for i in range(length)]
    key = [-hist[i] + 300 * (tokens[i] in tokens[:i]) for i in range(length)]
    before = [
        [j for j in seen(i) if (key[j], j) < (key[i], i) and (key[j] < key[i] or j < i)]
        for i in range(length)
    ]
    place = [len(row) for row in before]
    tenths = [0.1 * h for h in hist]
    for i in range(length):
        hits = [tokens[j] for j in seen(i) if place[j] == i]
        assert len(hits) <= 1
        assert found["sorted"][i] == (hits[0] if hits else "-")
        assert repr(found["mean"][i]) == repr(mean([tenths[j] for j in seen(i) if place[j] <= i]))
        assert found["last"][i] == (before[i][-1] if before[i] else -1)
        same = [j for j in seen(i) if tokens[j] == tokens[i]]
        assert found["near"][i] == place[min(same, key=lambda j: (j == i, abs(j - i), j))]


def mean(values: list[float]) -> float:
    """From left to right, with no more than one rounding for each step."""
    if len(values) < 2:
        return values[0] if values else 0
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def test_memory_does_not_grow_with_the_square() -> None:
    length = 4000
    tokens = random.Random(0).choices("abcdefgh", k=length)
    program = parse(SORT_BY_FREQUENCY, vocabulary="abcdefgh", context=length)
    assert peak_of(program, tokens) < length**2  # what one matrix of truth values takes


def logic_chain(steps: int, context: int) -> Program:
    """A selector made of ``steps`` others: every other one is complemented."""
    builder = Builder(Header(("a", "b"), context))
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    same = builder.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, tokens])
    before = builder.add(Select(Comparison(BinaryOp.LESS)), [indices, indices])
    selector: Node = same
    for k in range(steps):
        ops: tuple[tuple[Op, list[Node]], ...] = (
            (And(), [selector, same]),
            (Or(), [selector, before]),
            (Not(), [selector]),
            (And(), [selector, selector]),
        )
        selector = builder.add(*ops[k % 4])
    return builder.build({"n": builder.add(SelectorWidth(), [selector])})


@pytest.mark.parametrize("heavy", [2, 32, 10**9])
def test_long_chains_of_selectors_in_blocks(heavy: int) -> None:
    """No recursion, however deep; and no selector twice, though ``s and s`` reads it twice."""
    program = logic_chain(4000, 9)
    inputs = [tuple("aabab"), tuple("ababbbaaa")]
    whole = [outcome.key for outcome in run_many(program, inputs)]
    assert whole == [run_plain(program, tokens).key for tokens in inputs]
    with blocks_of(20, heavy):
        assert [outcome.key for outcome in run_many(program, inputs)] == whole


def test_few_matrices_are_held_at_a_time() -> None:
    """However long the chain, a block of queries needs its last links only."""
    program = logic_chain(400, 1000)
    with blocks_of(selection.CELLS, heavy=10**9):
        peak = peak_of(program, ["a", "b"] * 500)
    assert peak < 20 * selection.CELLS


@SMALL
def test_batches_of_long_inputs_run_in_blocks(cells: int) -> None:
    """Several inputs at once: a selector of positions alone has one matrix for all of them."""
    program = parse(SORT_BY_FREQUENCY, vocabulary="abc", context=30)
    tokens = np.random.default_rng(0).integers(0, 3, size=(30, 9))
    alone = [Interpreter(program).states(tokens[:, b : b + 1])[0] for b in range(9)]
    with blocks_of(cells):
        together, failures = Interpreter(program).states(tokens)
        assert not failures.any()
        for node in program.live:
            if isinstance(node.type, Selector):
                matrix = np.broadcast_to(selection.dense(together[node]), (30, 30, 9))
                wanted = [selection.dense(states[node])[:, :, 0] for states in alone]
                assert (matrix == np.stack(wanted, axis=-1)).all()
            else:
                wanted = [decoded(states[node], 1)[0] for states in alone]
                assert decoded(together[node], 9) == wanted


def decoded(state: object, batch: int) -> list[list[Value]]:
    assert isinstance(state, Column)
    return state.decode(batch)


def peak_of(program: Program, tokens: Sequence[Value]) -> int:
    """Bytes in use at most while a program runs."""
    tracemalloc.start()
    try:
        run(program, tokens)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
