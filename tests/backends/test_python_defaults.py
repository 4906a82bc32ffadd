"""A word as the default of ``aggregate``: beside means, which the original RASP has, too."""

from __future__ import annotations

import pytest

from tests.backends.python_cases import assert_agrees
from tpir.errors import TpirError
from tpir.ir.values import Value
from tpir.semantics.interpreter import Outcome, run, run_many
from tpir.text import parse

HELLO = list("hello")
LONG = ["a"] * 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # as the original gives them on hello
        ('x = aggregate(select(indices, 3, <), indices, "a");', [1.0] * 5),
        ('x = aggregate(select(indices, indices, <=), indices, "a");', [0, 0.5, 1.0, 1.5, 2.0]),
        ('x = aggregate(select(indices, 3, <), 2, "x");', [2.0] * 5),
        ('x = aggregate(select(tokens, "l", ==), indices, "none");', [2.5] * 5),
        ('x = aggregate(select(tokens, "e", ==), indices, "none");', [1] * 5),
        ('x = aggregate(select(tokens, "z", ==), indices, "none");', ["none"] * 5),
        ('x = aggregate(select(tokens, "l", ==), indices / 2, "none");', [1.25] * 5),
        ('x = aggregate(select(tokens, tokens, ==), -indices, "x");', [0, -1, -2.5, -2.5, -4]),
        ('x = aggregate(select(indices, indices, <), indices, "x");', "mixed types"),
        ('x = aggregate(select(indices, indices, <), indices / 2, "x");', "mixed types"),
        ('x = aggregate(select(indices, 3, <), tokens, "x");', "mean of words"),
    ],
)
def test_the_default_stands_beside_means(text: str, expected: list[Value] | str) -> None:
    program = parse(text, vocabulary=(*"helo", "z"), context=5)
    (found,) = run_many(program, [HELLO])
    wanted = (
        Outcome(None, expected)
        if isinstance(expected, str)
        else Outcome({"x": tuple(expected)}, None)
    )
    assert found.key == wanted.key
    assert_agrees(program, [HELLO, list("zoo"), list("h"), list("zzzzz")])


@pytest.mark.parametrize(
    "selector", ["indices, indices, <=", "tokens, tokens, ==", "indices, 9, <"]
)
def test_a_default_that_is_never_used_stands_beside_any_number_of_means(selector: str) -> None:
    program = parse(
        f'x = aggregate(select({selector}), indices, "x");', vocabulary="a", context=100
    )
    assert run_many(program, [LONG])[0].failure is None
    assert_agrees(program, [LONG])


def test_too_many_means_fail_and_say_so() -> None:
    text = 'x = aggregate(select(tokens, "a", ==), indices, "none");'
    program = parse(text, vocabulary="ab", context=100)
    assert_agrees(program, [LONG, ["b", "a", "b"], ["b"]])
    assert run(program, "b")["x"] == ("none",)
    with pytest.raises(TpirError, match="too many means to stand beside a word"):
        run(program, "aa")


def test_notes_call_parts_what_the_text_calls_them() -> None:
    mixed = parse('x = "b" if indices == 1 else 0;', vocabulary="a", context=3)
    with pytest.raises(TpirError, match='note: in x at position 1: x is 0 at position 0, x is "b"'):
        run(mixed, "aa")
    text = "x = indices + round(aggregate(select(indices, 0, >=), tokens));"
    nested = parse(text, vocabulary="a", context=3)
    with pytest.raises(TpirError, match=r"note: in aggregate\(select\(indices, 0, >=\), token… at"):
        run(nested, "aa")
