"""The lexer knows every word, loses no character, and finds no error in any program there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    String,
    Whitespace,
    _TokenType,
)

from tpir.text.builtins import BUILT_IN_NAMES
from tpir.view.lexer import FUNCTIONS, SEQUENCES, RaspLexer

ROOT = Path(__file__).resolve().parents[2]
HEREDOC = re.compile(r"^cat > \S+\.rasp <<'(\w+)'\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


def corpus() -> Iterator[tuple[str, str]]:
    """Every program of the project with its name: files, and what the pages write to files."""
    for folder in ("tests", "examples", "benchmarks", "tpir"):
        for path in sorted((ROOT / folder).rglob("*.rasp")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for number, found in enumerate(HEREDOC.finditer(page.read_text(encoding="utf-8")), 1):
            yield f"{page.name}, program {number}", found[2]


SAMPLES = [
    ("program hist;", "program", Keyword.Declaration),
    ("context 4;", "context", Keyword.Declaration),
    ('vocabulary {"a"};', "vocabulary", Keyword.Declaration),
    ('labels {"a"};', "labels", Keyword.Declaration),
    ("causal;", "causal", Keyword.Declaration),
    ("mixed;", "mixed", Keyword.Declaration),
    ('accepts "<s>" ("a" | "b"){1,3};', "accepts", Keyword.Declaration),
    ('accepts "a"? .*;', "?", Operator),
    ("causal = 3;", "causal", Name),
    ("program = context + labels;", "program", Name),
    ("program = context + labels;", "context", Name),
    ("table t { _ -> 1 }", "table", Keyword.Declaration),
    ("table t float32 { _ -> 1 }", "float32", Keyword.Declaration),
    ("table t { _ -> 1 }", "t", Name.Function),
    ("table = 3;", "table", Name),
    ("relu r { bias [1.0] }", "relu", Keyword.Declaration),
    ("relu r { bias [1.0] }", "bias", Keyword.Declaration),
    ("x = classify { bias 0 };", "bias", Keyword.Declaration),
    ("bias * 0;", "bias", Name),
    ("relu r { unit -1.0, [1.0] -> [2.0] }", "unit", Keyword.Declaration),
    ("table t { keys {1}; _ -> [1] }", "keys", Keyword.Declaration),
    ("x = classify { };", "classify", Keyword.Declaration),
    ("x = classify_pooled first { };", "classify_pooled", Keyword.Declaration),
    ("x = classify_pooled first { };", "first", Keyword),
    ("output x;", "output", Keyword.Declaration),
    ("output + x;", "output", Name),
    ("output and x;", "output", Name),
    ("def f(x) { return x; }", "def", Keyword),
    ("def f(x) { return x; }", "f", Name.Function),
    ("def f(x) { return x; }", "return", Keyword),
    ("for x in xs { }", "for", Keyword),
    ("for x in xs { }", "in", Keyword),
    ("a if c else b;", "if", Keyword),
    ("a if c else b;", "else", Keyword),
    ("iffy;", "iffy", Name),
    ("a and b;", "and", Operator.Word),
    ("a or b;", "or", Operator.Word),
    ("not a;", "not", Operator.Word),
    ("True;", "True", Keyword.Constant),
    ('load "lib";', "load", Keyword.Namespace),
    ("load = 3;", "load", Name),
    ('set example "abc"', "set", Keyword),
    ("set s-op example [1, 2]", "s-op", Keyword.Type),
    ("show selector example", "selector", Keyword.Type),
    ("show example", "example", Keyword),
    ("examples off", "examples", Keyword),
    ("s-op examples on", "on", Keyword.Constant),
    ("s - op;", "s", Name),
    ("full seq display on", "seq", Keyword),
    ("set + show;", "set", Name),
    ('draw(x, "abc");', "draw", Name.Builtin),
    ("tokens_int;", "tokens_int", Name.Builtin.Pseudo),
    ("length;", "length", Name.Builtin.Pseudo),
    ("selector_width(s);", "selector_width", Name.Builtin),
    ("selector_widths(s);", "selector_widths", Name),
    ("map($1 + 1, x);", "$1", Name.Variable),
    ("table t { 0..3 -> 1.5e-3 }", "0", Number),
    ("table t { 0..3 -> 1.5e-3 }", "..", Operator),
    ("table t { 0..3 -> 1.5e-3 }", "1.5e-3", Number),
    ("x = 1; # one", "# one", Comment.Single),
    (r'"a\b # c";', r'"a\b # c"', String.Double),
    (r'"a\";', r'"a\"', String.Double),
    (r'e"a\n\"b";', r"\n", String.Escape),
    (r'e"a\n\"b";', r"\"", String.Escape),
    (r'e"a\qb";', "\\", Error),
    ('"abc', '"abc', Error),
    ("x ? y;", "?", Error),
]


@pytest.mark.parametrize(("text", "word", "kind"), SAMPLES)
def test_word(text: str, word: str, kind: _TokenType) -> None:
    assert (kind, word) in list(RaspLexer().get_tokens(text))


@pytest.mark.parametrize(("name", "text"), list(corpus()), ids=lambda value: str(value)[:40])
def test_every_program_is_free_of_errors(name: str, text: str) -> None:
    lexer = RaspLexer(stripnl=False, ensurenl=False)
    found = list(lexer.get_tokens(text))
    assert "".join(value for _, value in found) == text
    assert [value for kind, value in found if kind in Error] == []


def test_every_built_in_name_is_known() -> None:
    assert {*SEQUENCES, *FUNCTIONS} >= BUILT_IN_NAMES


def test_escaped_words_end_where_they_end() -> None:
    found = RaspLexer().get_tokens(r'e"a\\" + e"b"; "c" + d;')
    words = [value for kind, value in found if kind is not Whitespace]
    assert "".join(words) == r'e"a\\"+e"b";"c"+d;'
    assert words[-4:] == ['"c"', "+", "d", ";"]
