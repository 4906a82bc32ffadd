"""From ``.rasp`` text to a syntax tree, with errors that say where and what was expected."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from tpir.errors import TpirError
from tpir.text.source import Source
from tpir.text.syntax import File, SetExample
from tpir.text.tree_builder import LiteralProblem, SetExampleText, TreeBuilder

_STARTS = {"NAME", "NUMBER", "LPAR"}
_EXPRESSION = (
    _STARTS
    | {"STRING", "MINUS", "PLUS", "NOT", "LSQB", "LBRACE", "PARAMETER"}
    | {"CLASSIFY", "CLASSIFY_POOLED"}
)
_INFIX = {"PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "CARET", "COMPARE", "AND", "OR", "IF", "IN"}
_VALUES = {"SIGNED", "STRING", "TRUE", "FALSE"}
_STATEMENTS = {"OUTPUT", "TABLE", "RELU", "DEF", "FOR", "LOAD"}
_COMMANDS = {"SET_EXAMPLE", "SHOW_EXAMPLE", "TOGGLE_EXAMPLES", "TOGGLE_DISPLAY", "EXIT"}
_HEADER = {"PROGRAM", "CONTEXT", "CAUSAL", "MIXED", "VOCABULARY", "LABELS", "ACCEPTS"}
_WORDS = {
    "SEMI": "';'",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "COMMA": "','",
    "COLON": "':'",
    "EQUAL": "'='",
    "VBAR": "'|'",
    "WILD": "'_'",
    "NAME": "a name",
    "STRING": "a word in double quotes",
    "SIGNED": "a number",
    "ELSE": "'else'",
    "FORM": "an accepted form",
    "$END": "the end",
}


_SIGNS = {"__ANON_0": "->", "__ANON_1": "..", "COMPARE": "=="}
_SET_EXAMPLE = re.compile(r"set\s+(?:(s-op|selector)\s+)?example")
_WORD = re.compile(r'[A-Za-z_][A-Za-z0-9_]*|[0-9.]+|"[^"\n]*"|->|[=!<>]=|.', re.DOTALL)


class IncompleteError(TpirError):
    """A text that ends where more has to follow."""


def parse_syntax(source: Source) -> File:
    """Read a text. Raises TpirError, with a span, where it is not ``.rasp``.

    IncompleteError where it may be the beginning of ``.rasp``.
    """
    tree = _parse(source, source.text, "start")
    assert isinstance(tree, File)
    statements = tuple(
        _set_example(source, part) if isinstance(part, SetExampleText) else part
        for part in tree.statements
    )
    return File(tree.header, statements)


def _parse(source: Source, text: str, start: str) -> object:
    try:
        return _grammar().parse(text, start=start)
    except UnexpectedInput as error:
        raise _syntax_error(error, source) from None
    except LiteralProblem as problem:
        raise source.error(problem.message, problem.start, problem.end) from None


def _set_example(source: Source, part: SetExampleText) -> SetExample:
    """The value of ``set example …``, which ends where its line ends."""
    start, end = part.line.start_pos or 0, part.line.end_pos or 0
    words = _SET_EXAMPLE.match(part.line)
    assert words is not None
    try:
        value = _parse(source, " " * (start + words.end()) + part.line[words.end() :], "lone")
    except IncompleteError as error:  # the lines that follow are not part of it
        raise TpirError(error.message, span=error.span, notes=error.notes) from None
    return SetExample(start, end, words.group(1), value)  # type: ignore[arg-type]


@cache
def _grammar() -> Lark:
    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        start=["start", "lone"],
        maybe_placeholders=True,
        transformer=TreeBuilder(),
    )


def grammar_text() -> str:
    """The text of ``rasp.lark``.

    Lark's ``strict=True`` accepts it: a test checks that, because the check takes half a second.
    """
    return (files("tpir.grammar") / "rasp.lark").read_text(encoding="utf-8")


def _syntax_error(error: UnexpectedInput, source: Source) -> TpirError:
    text = source.text
    if isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
        ended = error.token.type == "$END"
        start = len(text.rstrip()) if ended else error.token.start_pos or 0
    else:
        assert isinstance(error, UnexpectedCharacters)
        expected, ended = set(error.allowed or ()), False
        start = error.pos_in_stream or 0
    # Not the token that the lexer took it for: outside its state that can be any of several.
    found = "" if ended else _WORD.match(text, start).group()  # type: ignore[union-attr]
    before = error.token_history[-1] if error.token_history else None
    return _explain(source, expected, start, found, before)


def _explain(
    source: Source, expected: set[str], start: int, found: str, before: Token | None
) -> TpirError:
    wanted = expected_in_words(expected)
    if "SEMI" in expected and before is not None and _first_on_its_line(source, before, start):
        end = before.end_pos or 0
        message = "missing ';' at the end of this statement"
        note = f"expected {wanted}"
        if not found:
            return IncompleteError(message, span=source.span(end - 1, end), notes=[note])
        return source.error(message, end - 1, end, note)
    if not found:
        span = source.span(max(0, start - 1), start)
        return IncompleteError(f"the text ends too early: expected {wanted}", span=span)
    escapes = before == "e" and before is not None and before.end_pos == start
    if found.startswith('"') and ("STRING" in expected or escapes):
        message = "this word has no closing quote on its line, or an escape that is none"
        return source.error(
            message,
            start,
            start + 1,
            r'escapes are \" \\ \/ \b \f \n \r \t \uXXXX, after an e: e"…"',
        )
    return source.error(f"expected {wanted}, found {found!r}", start, start + len(found))


def _first_on_its_line(source: Source, before: Token, start: int) -> bool:
    return source.line_at(before.end_pos or 0) < source.line_at(start) or start >= len(
        source.text.rstrip()
    )


def expected_in_words(expected: set[str]) -> str:
    """The tokens that a place allows, as a person would list them."""
    rest, parts = set(expected), []
    if rest >= _STARTS:
        statement = bool(rest & _STATEMENTS)
        parts.append("a statement" if statement else "an expression")
        rest -= _EXPRESSION | _STATEMENTS | _COMMANDS
        if rest & _HEADER:
            parts.append("a line of the header")
            rest -= _HEADER
    elif rest >= _VALUES:
        parts.append("a value")
        rest -= _VALUES
    if rest >= _INFIX - {"MINUS"}:
        parts.append("an operator")
        rest -= _INFIX
    parts.extend(
        sorted(_WORDS.get(name, f"'{name.lower()}'") for name in rest if name not in _SIGNS)
    )
    parts.extend(sorted(f"'{_SIGNS[name]}'" for name in rest if name in _SIGNS))
    if len(parts) < 2:
        return parts[0] if parts else "nothing more"
    return ", ".join(parts[:-1]) + " or " + parts[-1]
