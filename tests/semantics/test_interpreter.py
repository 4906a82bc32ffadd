"""The batch interpreter against a plain one: loops over positions, one input at a time."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings

from tests.conftest import PROGRAMS
from tests.semantics.plain import run_plain
from tests.strategies import programs
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.semantics.interpreter import run, run_many
from tpir.text import parse


def inputs_of(program: Program, limit: int = 40) -> list[tuple[object, ...]]:
    """All inputs of a program where they are few; else the shortest and a spread of the rest."""
    every = [
        row
        for length in range(1, program.context + 1)
        for row in itertools.product(program.vocabulary, repeat=length)
    ]
    return every if len(every) <= limit else every[: limit // 2] + every[:: len(every) // 20]


@settings(max_examples=PROGRAMS)
@given(programs())
def test_batches_mean_what_plain_loops_mean(program: Program) -> None:
    inputs = inputs_of(program)
    for tokens, outcome in zip(inputs, run_many(program, inputs), strict=True):
        assert outcome.key == run_plain(program, tokens).key, tokens


def test_the_strategy_reaches_every_op_and_type() -> None:
    from tpir.ir.ops import SPECS

    seen: Counter[str] = Counter()

    @settings(max_examples=400)
    @given(programs())
    def collect(program: Program) -> None:
        for node in program.live:
            seen[type(node.op).__name__] += 1
            seen[type(node.type).__name__] += 1
            for part in ("function", "predicate"):
                if hasattr(node.op, part):
                    seen[type(getattr(node.op, part)).__name__] += 1

    collect()
    wanted = {op.__name__ for op in SPECS}
    wanted |= {"Categorical", "Integer", "Real", "Bool", "Selector", "Pooled"}
    wanted |= {"Table", "ReluFunction", "Binary", "Relation", "Comparison", "Always"}
    assert wanted <= set(seen), wanted - set(seen)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [([], "empty"), (["a"] * 9, "context"), (["zzz"], "not in the vocabulary")],
)
def test_inputs_that_are_refused(tokens: list[str], message: str) -> None:
    from tpir.ir.builder import Builder
    from tpir.ir.ops import Tokens
    from tpir.ir.program import Header

    builder = Builder(Header(("a", "b"), 4))
    program = builder.build({"out": builder.add(Tokens())})
    with pytest.raises(TpirError, match=message):
        run(program, tokens)


def test_sums_and_means_of_floats_fail_where_they_leave_their_range() -> None:
    text = """
        table t { "a" -> 1e308; "b" -> -1e308; "c" -> 1.5 }
        v = t(tokens);
        output sum = aggregate_sum(select(tokens, tokens, ==), v);
        output mean = aggregate(select(tokens, tokens, ==), v, 0);
    """
    program = parse(text, vocabulary="abc", context=3)
    inputs = [("a", "b"), ("a", "a"), ("c", "c"), ("b", "c", "b")]
    failures = [outcome.failure for outcome in run_many(program, inputs)]
    assert failures == [None, "number out of range", None, "number out of range"]


def test_sums_start_at_zero_and_keys_not_selected_add_nothing() -> None:
    """Not even their sign: a sum of nothing, and one of -0.0 alone, are both 0.0."""
    text = """
        table v { "a" -> -0.0; "b" -> -2.5; "c" -> 2.5 }
        none = select(tokens, tokens, ==) and not select(tokens, tokens, ==);
        output sum = aggregate_sum(select(tokens, tokens, ==), v(tokens));
        output nothing = aggregate_sum(none, v(tokens));
    """
    program = parse(text, vocabulary="abc", context=4)
    found = run(program, ["b", "a", "a", "c"])
    assert repr(found["sum"]) == "(-2.5, 0.0, 0.0, 2.5)"
    assert repr(found["nothing"]) == "(0.0, 0.0, 0.0, 0.0)"
