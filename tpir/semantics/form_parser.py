"""Reading accepted forms: text to ``Form``, with errors that say where."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.exceptions import VisitError
from lark.visitors import Transformer_NonRecursive

from tpir.errors import TpirError
from tpir.ir.values import Value
from tpir.semantics.form import AnyToken, Form, Literal, alternate, concatenate, repeat
from tpir.span import Span

SYNTAX = (
    'a form is made of tokens such as "a", 3 or True, and of . | * + ? {m} {m,} {m,n} and ( ); '
    'for example: "<s>" ("0" | "1"){1,6} "</s>"'
)
_LONGEST_NUMBER = 1000


def parse_form(text: str, source: str = "accepted form") -> Form:
    """Read an accepted form.

    ``source`` names the text in errors. Raises TpirError, with a span, for text that is not a form.
    """
    try:
        return FormTransformer(text, source).transform(_grammar().parse(text))
    except UnexpectedInput as error:
        raise _syntax_error(error, text, source) from None
    except VisitError as error:
        cause = error.orig_exc
        if not isinstance(cause, TpirError):
            raise
        whole = _span(text.split("\n"), source, 1, 1, 1)
        raise TpirError(cause.message, span=cause.span or whole) from None


def read_literal(text: str) -> Value:
    """The token that a literal (a JSON string, a number, ``True`` or ``False``) stands for.

    ``text`` matches one of the literals of ``form.lark``. Raises TpirError if it still is no token.
    """
    if text in ("True", "False"):
        return text == "True"
    if not text.startswith('"'):
        digits = text.removeprefix("-")
        if digits[0] == "0" and digits[1:2].isdigit():
            raise TpirError("a number cannot begin with 0; a word goes between double quotes")
        if len(digits) > _LONGEST_NUMBER:
            raise TpirError(f"a number cannot be longer than {_LONGEST_NUMBER} characters")
    value: Value = json.loads(text)
    return value


class FormTransformer(Transformer_NonRecursive[Token, Form]):
    """Callbacks for the rules of ``form.lark``; ``text`` and ``source`` are for errors only."""

    def __init__(self, text: str, source: str) -> None:
        super().__init__()
        self._lines = text.split("\n")
        self._source = source

    def alternation(self, choices: list[Form]) -> Form:
        """``a | b``."""
        return alternate(*choices)

    def concatenation(self, parts: list[Form]) -> Form:
        """``a b``."""
        return concatenate(*parts)

    def repetition(self, children: tuple[Form, tuple[int, int | None]]) -> Form:
        """``a`` and a quantifier."""
        body, (least, most) = children
        return repeat(body, least, most)

    def star(self, _: list[Token]) -> tuple[int, int | None]:
        """``*``."""
        return 0, None

    def plus(self, _: list[Token]) -> tuple[int, int | None]:
        """``+``."""
        return 1, None

    def optional(self, _: list[Token]) -> tuple[int, int | None]:
        """``?``."""
        return 0, 1

    def exactly(self, counts: list[Token]) -> tuple[int, int | None]:
        """``{m}``."""
        return self._count(counts[0]), self._count(counts[0])

    def at_least(self, counts: list[Token]) -> tuple[int, int | None]:
        """``{m,}``."""
        return self._count(counts[0]), None

    def between(self, counts: list[Token]) -> tuple[int, int | None]:
        """``{m,n}``."""
        least, most = self._count(counts[0]), self._count(counts[1])
        if most < least:
            raise self._error(f"{{{least},{most}}} asks for more than it allows", counts[1])
        return least, most

    def literal(self, children: list[Token]) -> Form:
        """A token of the vocabulary."""
        try:
            return Literal(read_literal(children[0]))
        except TpirError as error:
            raise self._error(error.message, children[0]) from None

    def any_token(self, _: list[Token]) -> Form:
        """``.``."""
        return AnyToken()

    def _count(self, token: Token) -> int:
        if len(token) > 9:
            raise self._error("a repetition count has at most 9 digits", token)
        return int(token)

    def _error(self, message: str, token: Token) -> TpirError:
        line, column = token.line or 1, token.column or 1
        return TpirError(message, span=_span(self._lines, self._source, line, column, len(token)))


@cache
def _grammar() -> Lark:
    text = (files("tpir.grammar") / "form.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="contextual", start="form", maybe_placeholders=False)


def _syntax_error(error: UnexpectedInput, text: str, source: str) -> TpirError:
    lines = text.split("\n")
    line, column, width = max(error.line, 1), max(error.column, 1), 1
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        line, column = len(lines), len(lines[-1]) + 1
        message = "the accepted form ends too early" if text.strip() else "there is no form here"
    elif isinstance(error, UnexpectedToken):
        width = len(error.token)
        message = f"{str(error.token)!r} cannot stand here in an accepted form"
    elif isinstance(error, UnexpectedCharacters) and error.char == '"':
        message = "this string has no closing quote, or an escape that JSON lacks"
    else:
        at = error.pos_in_stream or 0
        message = f"{text[at : at + 1]!r} cannot stand here in an accepted form"
    return TpirError(message, span=_span(lines, source, line, column, width), notes=(SYNTAX,))


def _span(lines: list[str], source: str, line: int, column: int, width: int) -> Span:
    shown = lines[line - 1] if line <= len(lines) else ""
    return Span(source, line, column, width, shown)
