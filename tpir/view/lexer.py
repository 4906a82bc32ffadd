"""The words of ``.rasp`` text, for highlighting: a lexer for Pygments.

Pygments finds it as ``rasp``, and by the file name. ``editors/rasp.tmLanguage.json`` says the same
for editors. As in the grammar, words of the header and of tables are words only by what follows
them; elsewhere they are names.
"""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

STATEMENT_WORDS = ("def", "return", "for", "in", "if", "else")
OPERATOR_WORDS = ("and", "or", "not")
CONSTANTS = ("True", "False")
SEQUENCES = (
    "tokens",
    "tokens_str",
    "tokens_int",
    "tokens_float",
    "tokens_bool",
    "tokens_asis",
    "indices",
    "length",
)
FUNCTIONS = (
    "select",
    "aggregate",
    "aggregate_sum",
    "selector_width",
    "round",
    "indicator",
    "uniform",
    "range",
    "zip",
    "len",
    "closest",
    "first",
    "last",
    "choose",
    "map",
    "draw",
)

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_BRACE = r"(?=\s*(?:float32\s*)?\{)"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"

_BLANKS = [(r"\s+", Whitespace), (r"#[^\n]*", Comment.Single)]
_VALUES = [
    (r'(e)(")', bygroups(String.Affix, String.Double), "escaped"),
    (r'"[^"\n]*"', String.Double),
    (r'"[^"\n]*', Error),
    (_NUMBER, Number),
    (words(CONSTANTS, suffix=r"\b"), Keyword.Constant),
]


class RaspLexer(RegexLexer):  # type: ignore[misc]  # Pygments has no types
    """``.rasp`` text, and what one types at the prompt."""

    name = "RASP"
    url = "https://arxiv.org/abs/2106.06981"
    aliases: ClassVar[list[str]] = ["rasp"]
    filenames: ClassVar[list[str]] = ["*.rasp"]
    mimetypes: ClassVar[list[str]] = ["text/x-rasp"]

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            *_BLANKS,
            *_VALUES,
            # the header
            (rf"(program)(\s+)({_NAME})(?=\s*;)", bygroups(Keyword.Declaration, Whitespace, Name)),
            (r'program(?=\s+e?")', Keyword.Declaration),
            (r"context(?=\s+[0-9])", Keyword.Declaration),
            (r"(?:vocabulary|labels|keys)(?=\s*\{)", Keyword.Declaration),
            (r"(?:causal|mixed)(?=\s*;)", Keyword.Declaration),
            (r'accepts(?=\s+(?:e?"|[(0-9.-]|True|False))', Keyword.Declaration, "accepts"),
            # tables and weights
            (
                rf"(table|relu)(\s+)({_NAME}){_BRACE}",
                bygroups(Keyword.Declaration, Whitespace, Name.Function),
            ),
            (rf"classify{_BRACE}", Keyword.Declaration),
            (
                rf"(classify_pooled)(\s+)(all|first){_BRACE}",
                bygroups(Keyword.Declaration, Whitespace, Keyword),
            ),
            (r"float32(?=\s*\{)", Keyword.Declaration),
            (r"bias(?=\s*\[|\s+[0-9])", Keyword.Declaration),
            (r"unit(?=\s+-?[0-9])", Keyword.Declaration),
            # statements
            (r'output(?=\s+(?!(?:and|or|if|in)\b)(?:[A-Za-z_"]))', Keyword.Declaration),
            (rf"(def)(\s+)({_NAME})", bygroups(Keyword, Whitespace, Name.Function)),
            (r'load(?=\s*e?")', Keyword.Namespace),
            # the prompt
            (
                r"(set|show)(\s+)(?:(s-op|selector)(\s+))?(example)\b",
                bygroups(Keyword, Whitespace, Keyword.Type, Whitespace, Keyword),
            ),
            (
                r"(?:(s-op|selector)(\s+))?\b(examples)(\s+)(on|off)\b",
                bygroups(Keyword.Type, Whitespace, Keyword, Whitespace, Keyword.Constant),
            ),
            (
                r"(full)(\s+)(seq)(\s+)(display)(\s+)(on|off)\b",
                bygroups(*[Keyword, Whitespace] * 3, Keyword.Constant),
            ),
            # expressions
            (words(STATEMENT_WORDS, suffix=r"\b"), Keyword),
            (words(OPERATOR_WORDS, suffix=r"\b"), Operator.Word),
            (words(SEQUENCES, suffix=r"\b"), Name.Builtin.Pseudo),
            (words(FUNCTIONS, suffix=r"\b"), Name.Builtin),
            (_NAME, Name),
            (r"\$[0-9]+", Name.Variable),
            (r"->|\.\.|[=!<>]=|[-+*/%^=<>|]", Operator),
            (r"[;,:(){}\[\]]", Punctuation),
        ],
        "escaped": [
            (r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})', String.Escape),
            (r'[^"\\\n]+', String.Double),
            (r'"', String.Double, "#pop"),
            (r"\\", Error),
            (r"\n", Error, "#pop"),
        ],
        "accepts": [
            *_BLANKS,
            *_VALUES,
            (r";", Punctuation, "#pop"),
            (r"[|+*?.-]", Operator),
            (r"[(){},]", Punctuation),
        ],
    }
