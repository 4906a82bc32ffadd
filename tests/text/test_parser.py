"""Syntax: a grammar that lark calls strict, errors that say where and what was expected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark

from tpir.errors import TpirError
from tpir.text import needs_specialising, parse, print_program
from tpir.text.parser import grammar_text, parse_syntax
from tpir.text.source import Source

ERRORS = [
    ("x = 1\ny = 2;", "1:5", "missing ';' at the end of this statement"),
    ("x = 1", "1:5", "the text ends too early"),
    ("x = (1 + ;", "1:10", "expected an expression, found ';'"),
    ("x = select(a, b ==);", "1:19", "expected an expression, found ')'"),
    ("x y = 3;", "1:3", "found 'y'"),
    ("x = @;", "1:5", "expected an expression, found '@'"),
    ('x = "abc', "1:5", "no closing quote"),
    ('x = e"\\q";', "1:6", "no closing quote on its line, or an escape that is none"),
    ("x = 1e999;", "1:5", "too large"),
    ("x = " + "9" * 5000 + ";", "1:5", "too large"),
    ("table t { 1 - 2 }", "1:13", "expected '|', '->' or '..'"),
    ("table t { 9..3 -> 1 }", "1:11", "9..3 is not a range"),
    ("table t { 0.5..3 -> 1 }", "1:11", "is not a range"),
    ('context "a";', "1:9", "expected"),
    ("vocabulary {a};", "1:13", "expected a value or '}'"),
    ("x = map($99999999, y);", "1:9", "no map has that many operands"),
    ("def f(a) { x = a; }", "1:19", "expected a statement or 'return', found '}'"),
    ("def f(a) { return a; x = 1; }", "1:22", "expected '}', found 'x'"),
    ("x = [a for b of c];", "1:14", "expected ',' or 'in', found 'of'"),
    ("for x in y { output z; }", "1:21", "found 'z'"),
    ("x = {1: 2, 3};", "1:13", "expected ':'"),
    ("x = a[0;", "1:8", "expected ']'"),
    ("a, b;", "1:5", "expected ',' or '='"),
    ("a = b = 3;", "1:7", "found '='"),
    ("(a, b) = 3, 4;", "1:3", "found ','"),
    ("load lib;", "1:6", "found 'lib'"),
    ('set example "abc";', "1:18", "expected 'in' or the end, found ';'"),
    ("x = classify { bias 3 };", "1:21", "weights are a list of numbers, [ … ], or 0 where all"),
    ("x = classify { bias 0.0 };", "1:21", "or 0 where all are zero"),
    ("x = classify { tokens: -1 };", "1:24", "or 0 where all are zero"),
    ("x = classify { bias True };", "1:21", "expected ':', '[' or a number"),
    ("relu r { bias 0 }", "1:15", "expected '['"),
    ("x = tokens.y;", "1:11", "found '.'"),
]


def test_the_grammar_is_strict() -> None:
    Lark(grammar_text(), parser="lalr", lexer="contextual", strict=True)


@pytest.mark.parametrize(("text", "place", "message"), ERRORS, ids=[e[0][:20] for e in ERRORS])
def test_syntax_errors(text: str, place: str, message: str) -> None:
    with pytest.raises(TpirError) as caught:
        parse(text, name="file.rasp", vocabulary=("a",), context=3)
    assert message in caught.value.message
    assert str(caught.value.span) == f"file.rasp:{place}"
    lines = str(caught.value).splitlines()
    column = int(place.partition(":")[2])
    assert lines[2].index("^") == 4 + column - 1


@pytest.mark.parametrize(
    "word",
    [
        "table",
        "relu",
        "output",
        "classify",
        "classify_pooled",
        "program",
        "context",
        "causal",
        "vocabulary",
        "labels",
        "accepts",
        "keys",
        "bias",
        "unit",
        "float32",
        "all",
        "none",
        "closest",
        "first",
        "last",
        "choose",
        "map",
    ],
)
def test_soft_words_are_names(word: str) -> None:
    """As the first statement, as a later one, and inside expressions."""
    text = f"{word} = tokens_asis + 1; {word} = {word} * {word}; y = ({word}) - {word}; output y;"
    program = parse(text, vocabulary=(1, 2), context=3)
    assert len(program.live) == 4
    assert parse(print_program(program)) == program


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("not tokens == False", "(not tokens) == False"),
        (
            "tokens == 1 and tokens == 2 or tokens == 0",
            "((tokens==1) and (tokens==2)) or (tokens==0)",
        ),
        (
            "tokens == 1 or tokens == 2 and tokens == 0",
            "((tokens==1) or (tokens==2)) and (tokens==0)",
        ),
        ("indices ^ 2 ^ 2", "(indices ^ 2) ^ 2"),
        ("-indices ^ 2", "(-indices) ^ 2"),
        ("2 ^ -indices", "2 ^ (-indices)"),
        ("indices - 1 - 1", "(indices - 1) - 1"),
        ("7 % indices * 2", "7 % (indices * 2)"),
        ("indices * 7 % 4", "(indices * 7) % 4"),
        ("indices + 7 % 4 < 2", "(indices + (7 % 4)) < 2"),
        (
            "1 if tokens == 1 else 2 if tokens == 2 else 3",
            "(1 if tokens == 1 else 2) if tokens == 2 else 3",
        ),
        (
            "1 if tokens == 1 and tokens == 2 else 2 + 3",
            "1 if (tokens==1 and tokens==2) else (2+3)",
        ),
    ],
)
def test_precedence(text: str, same: str) -> None:
    try:
        left = parse(f"x = {text};", vocabulary=(0, 1, False), context=3)
    except TpirError as error:
        # A type error, because that is how it binds: then the other spelling has it too.
        with pytest.raises(TpirError) as caught:
            parse(f"x = {same};", vocabulary=(0, 1, False), context=3)
        assert caught.value.message == error.message
        return
    assert left == parse(f"x = {same};", vocabulary=(0, 1, False), context=3)


def test_needs_specialising() -> None:
    assert needs_specialising("x = tokens;")
    assert needs_specialising("context 3; x = tokens;")
    assert not needs_specialising('context 3; vocabulary {"a"}; x = tokens;')


def test_deep_nesting_is_an_error() -> None:
    for text in (
        "(" * 10000 + "1" + ")" * 10000,
        "tokens" + " + 1" * 10000,
        "-" * 10000 + "tokens",
    ):
        with pytest.raises(TpirError, match="nested too deeply"):
            parse(f"x = {text};", vocabulary=(0, 1), context=3)


FRAGMENTS = (
    *'()[]{};,=+-*/%^<>|:#"\n _$.',
    *[
        "tokens",
        "indices",
        "select",
        "aggregate",
        "map",
        "closest",
        "choose",
        "x",
        "y",
        "1",
        "0.5",
        "True",
        "if",
        "else",
        "not",
        "and",
        "in",
        "def",
        "for",
        "table",
        "relu",
        "output",
        "classify",
        "program",
        "context",
        "vocabulary",
        "labels",
        "accepts",
        "causal",
        "->",
        "==",
        "..",
        "float32",
    ],
)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(" ".join) | st.text(max_size=40))
def test_any_text_is_a_program_or_a_located_error(text: str) -> None:
    try:
        parse_syntax(Source("t", text))
        parse(text, vocabulary=("a", 1), context=3)
    except TpirError as error:
        assert "\n" not in error.message
