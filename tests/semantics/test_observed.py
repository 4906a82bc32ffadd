"""Values found by running all inputs are those that some input has."""

from __future__ import annotations

import itertools

import tpir
from tpir.ir.program import Program
from tpir.semantics.observed import observed_numbers

TEXT = """
table weight { "a" -> 0.1; "b" -> -0.7; "<s>" -> 2.5 }
x = aggregate_sum(select(tokens, tokens, ==), weight(tokens));
y = aggregate_sum(select(indices, indices, <=), x);
"""


def program(context: int) -> Program:
    header = 'accepts "<s>" ("a" | "b")*;'
    return tpir.parse(header + TEXT, vocabulary=["a", "b", "<s>"], context=context)


def test_they_are_the_values_of_all_accepted_inputs() -> None:
    made = program(5)
    inputs = [("<s>", *rest) for k in range(5) for rest in itertools.product("ab", repeat=k)]
    expected = {value for tokens in inputs for value in tpir.run(made, list(tokens))["y"]}
    assert observed_numbers(made, made.outputs["y"], 1_000) == tuple(sorted(expected))


def test_nothing_is_said_of_too_many_values_or_inputs() -> None:
    made = program(5)
    assert observed_numbers(made, made.outputs["y"], 3) is None
    large = program(40)
    assert observed_numbers(large, large.outputs["y"], 10**9) is None


def test_whole_numbers_among_them_stay_whole() -> None:
    text = "n = length; y = 1 / n if n > 1 else n;"
    made = tpir.parse(text, vocabulary="a", context=3)
    found = observed_numbers(made, made.outputs["y"], 10)
    assert found is not None
    assert {(type(x), x) for x in found} == {(float, 1 / 3), (float, 0.5), (int, 1)}
