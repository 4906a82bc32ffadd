from __future__ import annotations

from contextlib import suppress
from importlib.resources import as_file, files
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark
from lark.visitors import Transformer, merge_transformers

from tpir.errors import TpirError
from tpir.ir.values import Value
from tpir.semantics.form import (
    Alternation,
    AnyToken,
    Concatenation,
    Form,
    Literal,
    Repetition,
    alternate,
    concatenate,
    repeat,
)
from tpir.semantics.form_parser import FormTransformer, parse_form

# Lone surrogates are half a character: no UTF-8 file holds them.
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.sampled_from(['"', "\\", "a b", ")", "|", "\n", "\u2028", "1", "True", ""]),
    WORDS,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


def bounds() -> st.SearchStrategy[tuple[int, int | None]]:
    least = st.integers(0, 3)
    return st.tuples(least, st.none() | st.integers(0, 3)).map(
        lambda pair: (pair[0], None if pair[1] is None else pair[0] + pair[1])
    )


def forms(literals: st.SearchStrategy[Value]) -> st.SearchStrategy[Form]:
    return st.recursive(
        literals.map(Literal) | st.just(AnyToken()),
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: concatenate(*parts)),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: alternate(*parts)),
            st.tuples(inner, bounds()).map(lambda pair: repeat(pair[0], *pair[1])),
        ),
        max_leaves=8,
    )


def parentheses(text: str) -> list[tuple[int, int]]:
    """The places of each pair of parentheses outside string literals."""
    pairs, opened, quoted, escaped = [], [], False, False
    for place, char in enumerate(text):
        if quoted:
            quoted, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char == "(":
            opened.append(place)
        elif char == ")":
            pairs.append((opened.pop(), place))
    return pairs


@given(forms(VALUES))
def test_parsing_what_was_printed_gives_the_same_form(form: Form) -> None:
    text = str(form)
    assert parse_form(text) == form
    assert str(parse_form(text)) == text


@given(forms(st.sampled_from(["a", "(", 'x")'])))
def test_no_pair_of_parentheses_can_be_left_out(form: Form) -> None:
    text = str(form)
    for left, right in parentheses(text):
        shorter = f"{text[:left]} {text[left + 1 : right]} {text[right + 1 :]}"
        with suppress(TpirError):
            assert parse_form(shorter) != form


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ('"<s>" ("0" | "1" | "2"){1,6} "</s>"', '"<s>" ("0" | "1" | "2"){1,6} "</s>"'),
        ('"<s>"("0"|("1"|"2")){1,6}"</s>"', '"<s>" ("0" | "1" | "2"){1,6} "</s>"'),
        ('(("a") (("b" "c")))', '"a" "b" "c"'),
        ('"a" "b" | "c"*', '"a" "b" | "c"*'),
        ('"a" ("b" | "c")', '"a" ("b" | "c")'),
        ('("a"*)?', '("a"*)?'),
        (".{0,} .{1,} .{0,1} .{2,2} .{2,} .{1}", ".* .+ .? .{2} .{2,} .{1}"),
        ("1 -2 1.50 1e3 1.0e-05 True False", "1 -2 1.5 1000.0 1e-05 True False"),
        ('"\\u0041\\/\\"\\n"', '"A/\\"\\n"'),
        ('\n"a"\t|\r\n"b"', '"a" | "b"'),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(parse_form(text)) == canonical


def test_literals_are_told_apart_by_type() -> None:
    literals = [Literal(value) for value in (1, 1.0, True, "1")]
    assert len(set(literals)) == 4
    assert all(left != right for left, right in pairwise(literals))
    assert parse_form("(1 | True)*") != parse_form("(True | True)*")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "there is no form here"),
        ('"a" |', 1, 6, "ends too early"),
        ('("a"', 1, 5, "ends too early"),
        ('"a"{1', 1, 6, "ends too early"),
        ('"a" )', 1, 5, "')' cannot stand here"),
        ('"a"\n  "b" * *', 2, 9, "'*' cannot stand here"),
        ('"a" word', 1, 5, "'w' cannot stand here"),
        ('"a" "b', 1, 5, "no closing quote"),
        ('"\\q"', 1, 1, "escape"),
        ('"a"{3,1}', 1, 7, "{3,1} asks for more than it allows"),
        ('"a"{1234567890}', 1, 5, "at most 9 digits"),
        ('"a" 007', 1, 5, "cannot begin with 0"),
        ("1e999", 1, 1, "not a finite number"),
        ("9" * 2000, 1, 1, "longer than"),
        ("(" * 300 + "1" + "? 1)" * 300, 1, 1, "nested more than"),
    ],
)
def test_errors_say_where(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(TpirError) as caught:
        parse_form(text, "header")
    assert message in caught.value.message
    span = caught.value.span
    assert span is not None
    assert (span.source, span.line, span.column) == ("header", line, column)


def test_many_useless_parentheses_are_no_trouble() -> None:
    assert parse_form("(" * 5000 + "1" + ")" * 5000) == Literal(1)


def test_impossible_trees_are_refused() -> None:
    a, b = Literal("a"), Literal("b")
    with pytest.raises(TpirError, match="at least 3 and at most 2"):
        Repetition(a, 3, 2)
    with pytest.raises(ValueError, match="two or more"):
        Concatenation((a,))
    with pytest.raises(ValueError, match="none of them"):
        Alternation((a, Alternation((a, b))))


def test_another_grammar_can_take_the_rules_in() -> None:
    pytest.importorskip("interegular", reason="lark's strict mode needs interegular: not checked")
    outer = """
        start: "accepts" form ";" word
        word: /[a-z"]+/
        %import .form.form
        %ignore " "
        """
    with as_file(files("tpir.grammar")) as folder:
        grammar = Lark(
            outer, parser="lalr", lexer="contextual", strict=True, import_paths=[str(folder)]
        )
    text = 'accepts "a" | (. 2)* ; abc'
    callbacks = merge_transformers(Transformer(), form=FormTransformer(text, "header"))
    assert callbacks.transform(grammar.parse(text)).children[0] == parse_form('"a" | (. 2)*')
