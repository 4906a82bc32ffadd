"""From ``.rasp`` text to a syntax tree, with errors that say where and what was expected."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from tpir.errors import TpirError
from tpir.text.source import Source
from tpir.text.syntax import File
from tpir.text.tree_builder import LiteralProblem, TreeBuilder

_UNSUPPORTED = {
    "def": "functions of one's own (def) are not supported yet",
    "return": "functions of one's own (return) are not supported yet",
    "for": "loops and comprehensions (for) are not supported yet",
    "in": "membership (in) is not supported yet",
    "load": "loading other files is not supported yet",
    "set": "examples (set example) belong to the interactive prompt and are not supported yet",
    "show": "examples (show example) belong to the interactive prompt and are not supported yet",
    "{": "dictionaries are not supported yet",
    "[": "indexing is not supported yet",
    "=": "assignment to anything but one name is not supported yet",
}

_STARTS = {"NAME", "NUMBER", "LPAR"}
_EXPRESSION = (
    _STARTS
    | {"STRING", "TRUE", "FALSE", "MINUS", "NOT", "LSQB", "PARAMETER"}
    | {
        "CLASSIFY",
        "CLASSIFY_POOLED",
    }
)
_INFIX = {"PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "CARET", "COMPARE", "AND", "OR", "IF"}
_VALUES = {"SIGNED", "STRING", "TRUE", "FALSE"}
_STATEMENTS = {"OUTPUT", "TABLE", "RELU"}
_HEADER = {"PROGRAM", "CONTEXT", "CAUSAL", "VOCABULARY", "LABELS", "ACCEPTS"}
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
    "$END": "the end of the file",
}


_SIGNS = {"__ANON_0": "->", "__ANON_1": "..", "COMPARE": "=="}
_WORD = re.compile(
    r'[A-Za-z_][A-Za-z0-9_]*|[0-9.]+|"(?:[^"\\\n]|\\[^\n])*"|->|[=!<>]=|.', re.DOTALL
)


def parse_syntax(source: Source) -> File:
    """Read a text. Raises TpirError, with a span, where it is not ``.rasp``."""
    try:
        tree = _grammar().parse(source.text)
    except UnexpectedInput as error:
        raise _syntax_error(error, source) from None
    except LiteralProblem as problem:
        raise source.error(problem.message, problem.start, problem.end) from None
    assert isinstance(tree, File)
    return tree


@cache
def _grammar() -> Lark:
    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
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
    unsupported = _unsupported(source.text, start, found, before, expected)
    if unsupported:
        return source.error(unsupported, start, start + len(found))
    wanted = expected_in_words(expected)
    if "SEMI" in expected and before is not None and _first_on_its_line(source, before, start):
        end = before.end_pos or 0
        message = "missing ';' at the end of this statement"
        return source.error(message, end - 1, end, f"expected {wanted}")
    if not found:
        return source.error(f"the file ends too early: expected {wanted}", max(0, start - 1), start)
    if found.startswith('"') and "STRING" in expected:
        message = "this word has no closing quote, or an escape that is none"
        return source.error(
            message, start, start + 1, r"escapes are \" \\ \/ \b \f \n \r \t \uXXXX"
        )
    return source.error(f"expected {wanted}, found {found!r}", start, start + len(found))


def _unsupported(
    text: str, start: int, found: str, before: Token | None, expected: set[str]
) -> str | None:
    """What to say where a part of the language stands that tpir does not know yet."""
    if found in ("def", "return", "for", "in"):
        return _UNSUPPORTED[found]
    if found in ("{", "[") and ("LPAR" in expected or (found == "{" and expected >= _STARTS)):
        return _UNSUPPORTED[found]
    statement = before is not None and text[: before.start_pos].rstrip()[-1:] in ("", ";", "}")
    if before is not None and statement and before in ("load", "set", "show"):
        return _UNSUPPORTED[before]
    if found == "," and statement and before is not None and before.type == "NAME":
        return _UNSUPPORTED["="]
    if found == "=" and "SEMI" in expected:
        return _UNSUPPORTED["="]
    return None


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
        rest -= _EXPRESSION | _STATEMENTS
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
