"""Bounds: on steps, items, files, nesting and the context, and on how long errors are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tpir.errors import TpirError
from tpir.semantics.interpreter import run
from tpir.text import parse

INDICES = "x = indices;"


def refusal(text: str, **given: object) -> TpirError:
    parse("x = hist(tokens);", vocabulary="ab", context=2)  # grammar and library are there
    start = time.process_time()
    with pytest.raises(TpirError) as caught:
        parse(text, **{"vocabulary": "ab", "context": 4, **given})  # type: ignore[arg-type]
    assert time.process_time() - start < 2  # a second, on a machine that does nothing else
    assert len(str(caught.value)) < 1500
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "for a in range(1000) { l = range(1000000); } y = indices;",
        "l = range(1000000); for a in range(1000) { m = zip(l, l); } y = indices;",
        "l = range(1000000); for a in range(1000) { m = 5.5 in l; } y = indices;",
        "l = range(1000000); for a in range(1000) { m = indices in l; } y = indices;",
        "l = range(1000000); for a in range(1000) { m = l[indices]; } y = indices;",
        "l = range(500000); for a in range(1000) { m = l + l; } y = indices;",
        'w = "a" * 500000; for a in range(10000) { m = w + w; } y = indices;',
        "x = {i: range(1000000) for i in range(1000)};",
        "x = [[[1 for i in range(100)] for j in range(100)] for k in range(100)];",
        "x = indices; for a in range(100000) { x = x + 1; }",
        "def fib(n) { return n if n < 2 else fib(n - 1) + fib(n - 2); } x = fib(25);",
    ],
)
def test_work_is_bounded(text: str) -> None:
    assert "too many steps" in refusal(text).message


def test_programs_that_compute_much_still_do() -> None:
    text = "def fib(n) { return n if n < 2 else fib(n - 1) + fib(n - 2); } x = fib(20) + indices;"
    assert run(parse(text, vocabulary="a", context=1), "a")["x"] == (6765,)


def test_texts_may_nest() -> None:
    deep = "def f(n) { return 0 if n == 0 else 1 + f(n - 1); } x = f(400) + indices;"
    assert run(parse(deep, vocabulary="a", context=1), "a")["x"] == (400,)
    long = parse(f"x = {' + '.join(['indices'] * 1000)};", vocabulary="a", context=2)
    assert run(long, "aa")["x"] == (0, 1000)
    chain = " else ".join(f"{k} if indices == {k}" for k in range(1000))
    assert run(parse(f"x = {chain} else -1;", vocabulary="a", context=3), "aaa")["x"] == (-1,) * 3
    assert "nested too deeply" in refusal(f"x = {'(' * 20000}indices{')' * 20000};").message


def test_lists_that_nest_without_end_crash_nothing() -> None:
    parse("l = [1]; for a in range(20000) { l = [l]; } x = indices;", vocabulary="a", context=1)
    for use in ("m = l == k;", "m = l + 1;", "m = l[l];", "for a, b in [l] { }", "m = zip(1, l);"):
        text = f"l = [1]; k = [1]; for a in range(20000) {{ l = [l]; k = [k]; }} {use} x = indices;"
        refusal(text)


def test_files_that_are_loaded_are_bounded(tmp_path: Path) -> None:
    for k in range(25):
        (tmp_path / f"e{k}.rasp").write_text(f'load "e{k + 1}"; load "e{k + 1}";')
    (tmp_path / "e25.rasp").write_text(INDICES)
    error = refusal('load "e0";', name=str(tmp_path / "main.rasp"))
    assert error.message == "more than 256 files are loaded"


def test_a_name_too_long_is_that_of_no_file() -> None:
    error = refusal(f'load "{"a" * 5000}";')
    assert error.message.startswith("there is no file aaa")
    assert error.span is not None


@pytest.mark.parametrize("context", [2**20 + 1, 3_000_000_000])
def test_the_context_is_bounded(context: int) -> None:
    assert "at most 1,048,576 tokens" in refusal(INDICES, context=context).message
    assert "from 1 to 1,048,576" in refusal(f"context {context}; {INDICES}", context=None).message


def test_errors_are_short() -> None:
    refusal("x = 2^2^2^2^2^2^2^2^2^2^2 * indices;")
    chain = " else ".join(f"{k} if indices == {k}" for k in range(3000))
    refusal(f"x = 2^2^2 * indices; y = {chain} else 0;", strict=True)


def test_an_order_lists_an_offset_once() -> None:
    error = refusal("x = choose(select(tokens, tokens, ==), order=[1, 1]);")
    assert (error.message, error.span.column) == ("offset 1 is listed twice", 50)  # type: ignore[union-attr]


def test_a_loop_names_the_last_sequence() -> None:
    last = parse("x = indices; for i in range(3) { x = x + 1; }", vocabulary="ab", context=2)
    assert dict(run(last, "ab")) == {"x": (3, 4)}
    alone = parse(
        "for i in range(3) { for j in [1] { y = indices + i; } }", vocabulary="a", context=2
    )
    assert dict(run(alone, "aa")) == {"y": (2, 3)}


def test_words_of_the_header_are_names_in_a_first_statement() -> None:
    text = "context, labels = 1, 2; y = context + labels + indices;"
    assert run(parse(text, vocabulary="a", context=1), "a")["y"] == (3,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('x = indices("abc"); y = x + 1;', "a sequence on one input and 'int'"),
        ("def f(a) { return a; } x = f + 1;", "a function and 'int'"),
        ("x = round(select(tokens, tokens, ==));", "a selector cannot be rounded"),
    ],
)
def test_errors_speak_of_the_language(text: str, words: str) -> None:
    assert words in refusal(text).message


@pytest.mark.parametrize("text", ["x = classify(tokens);", "x = selector_width(classify());"])
def test_a_readout_without_braces_is_refused(text: str) -> None:
    assert "a readout is written with braces" in refusal(text).message
