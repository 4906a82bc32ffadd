"""Sums and means of what selectors select, and what is told from them, are proved."""

from __future__ import annotations

import random

import pytest

import tpir
from tests.examples.oracles import EXAMPLES
from tests.examples.test_examples import FILES
from tpir.equiv.verdict import Answer
from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument
from tpir.ir.ops import Aggregate, Always, Map, Select, Tokens
from tpir.ir.program import Header
from tpir.models.transformer_predict import predict
from tpir.semantics.interpreter import run_many

WEIGHT = """
table weight { "a" -> 0.1; "b" -> -0.7; "c" -> 1.3 }
w = weight(tokens);
"""


@pytest.mark.parametrize(
    "text",
    [
        "y = aggregate_sum(select(tokens, tokens, <), 5);",
        "y = aggregate_sum(select(tokens, tokens, <), -3) > -7;",
        WEIGHT + "y = aggregate_sum(select(tokens, tokens, ==), w);",
        WEIGHT + "y = aggregate_sum(select(tokens, tokens, ==), w) > 0.5;",
        WEIGHT + "y = aggregate_sum(select(tokens, tokens, !=), w);",
        WEIGHT + "y = aggregate_sum(select(tokens, tokens, !=) or select(indices, 1, ==), w);",
        WEIGHT
        + "x = aggregate_sum(select(tokens, tokens, ==), w);"
        + "y = aggregate_sum(select(indices, indices, <), x);",
        WEIGHT
        + "x = aggregate_sum(select(indices, indices, <), w);"
        + "y = aggregate_sum(select(tokens, tokens, !=), x) > 0.25;",
        "seen = select(tokens, tokens, ==) or select(indices, 0, ==);"
        "y = aggregate(seen, indicator(indices == 0));",
        "y = aggregate(select(tokens, tokens, <) or select(indices, 1, ==), indices);",
        'y = aggregate(select(tokens, tokens, <) or select(indices, 1, ==), indices, "none");',
        "seen = select(tokens, tokens, ==) or select(indices, 0, ==);"
        "x = aggregate(seen, indicator(indices == 0));"
        "y = select(round(1 / x), round(1 / x), ==); z = selector_width(y);",
    ],
)
def test_it_is_proved(text: str) -> None:
    program = tpir.parse(text, vocabulary=["a", "b", "c"], context=4)
    verdict = tpir.check(program, tpir.compile(program, target="transformer"))
    assert verdict.answer is Answer.PROVED, str(verdict)


def test_real_numbers_are_told_apart_by_the_values_that_occur() -> None:
    """A sum of sums of real numbers has no listed values: they are found by running all inputs."""
    text = WEIGHT + (
        "x = aggregate_sum(select(tokens, tokens, ==), w);"
        "s = aggregate_sum(select(indices, indices, <=), x);"
        'y = "small" if s < 0.35 else "large" if s > 2.05 else "between";'
    )
    program = tpir.parse(text, vocabulary=["a", "b", "c"], context=4)
    verdict = tpir.check(program, tpir.compile(program, target="transformer"))
    assert verdict.answer is Answer.PROVED, str(verdict)
    long = tpir.parse(text, vocabulary=["a", "b", "c"], context=40)
    with pytest.raises(tpir.TpirError, match=r"y cannot be compiled .* too many values"):
        tpir.compile(long, target="transformer")


@pytest.mark.parametrize(
    "name", ["hist_bos", "sort_bos", "double_hist_bos", "sort_by_frequency_bos"]
)
def test_counts_by_the_share_of_a_first_token_stay_exact(name: str) -> None:
    example = EXAMPLES[name]
    words = sorted({token for tokens in example.inputs for token in tokens})
    program = tpir.load(FILES[name], vocabulary=words, context=20).program
    assert program is not None
    program = tpir.optimise(program, level=2)
    weights = tpir.compile(program, target="transformer")
    noise = random.Random(0)
    others = [word for word in words if word != "$"]
    lengths = [19] * 20 + [noise.randint(0, 19) for _ in range(20)]
    inputs = [("$", *noise.choices(others, k=length)) for length in lengths]
    expected = [outcome.values for outcome in run_many(program, inputs)]
    assert [dict(found) for found in predict(weights, inputs)] == expected


def test_a_sum_of_one_truth_value_is_a_number() -> None:
    text = 'y = aggregate_sum(first(select(tokens, tokens, ==)), tokens == "a");'
    program = tpir.parse(text, vocabulary=["a", "b"], context=3)
    verdict = tpir.check(program, tpir.compile(program, target="transformer"))
    assert verdict.answer is Answer.PROVED, str(verdict)


def test_a_table_of_truth_values_among_others_still_has_a_mean() -> None:
    builder = Builder(Header(vocabulary=(False, True), context=3))
    tokens = builder.add(Tokens())
    every = builder.add(Select(Always(True)), [tokens, tokens])
    same = builder.add(Map(Argument(0)), [tokens, tokens])
    program = builder.build({"y": builder.add(Aggregate(0), [every, same])})
    verdict = tpir.check(program, tpir.compile(program, target="transformer"))
    assert verdict.answer is Answer.PROVED, str(verdict)
