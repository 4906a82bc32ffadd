"""The header of a file, together with what the caller says of the inputs."""

from __future__ import annotations

from collections.abc import Sequence

from tpir.errors import TpirError
from tpir.ir.program import Header
from tpir.ir.values import Value, distinct, escaped, show_value, value_key
from tpir.semantics.form import Alternation, Concatenation, Form, Literal, Repetition
from tpir.semantics.form_parser import parse_form
from tpir.text.source import Source
from tpir.text.syntax import File, HeaderItem, Values

PADDING = "<pad>"

LONGEST = 2**20
"""Tokens: the largest context. What is known of rounding and overflow holds up to here."""


def listed_vocabulary(text: str) -> tuple[str, ...]:
    """The words of a list ``a,b,c``. Raises TpirError for an empty one, and for one given twice."""
    words = tuple(text.split(","))
    if not text:
        raise TpirError("--vocab lists no tokens: give it words, a,b,c")
    if "" in words:
        raise TpirError(f"--vocab {text}: a word between commas is empty")
    if len(set(words)) < len(words):
        twice = next(word for k, word in enumerate(words) if word in words[:k])
        raise TpirError(f"--vocab {text} lists {show_value(twice)} twice")
    return words


def states_inputs(file: File) -> bool:
    """Whether the file itself says vocabulary and context, and so needs no specialising."""
    return {"vocabulary", "context"} <= {item.keyword for item in file.header}


def read_header(
    file: File, source: Source, vocabulary: Sequence[Value] | None, context: int | None
) -> Header:
    """The header that a file states, completed by the caller's vocabulary and context.

    Raises TpirError if something is stated twice, is missing, or is not what the caller says.
    """
    items = _by_keyword(file, source)
    words = _vocabulary(items.get("vocabulary"), source, vocabulary)
    length = _context(items.get("context"), source, context)
    labels = _values(items["labels"], source) if "labels" in items else ()
    accepts = _accepts(items["accepts"], source, words) if "accepts" in items else None
    name = str(items["program"].content) if "program" in items else "program"
    return Header(words, length, "causal" in items, labels, accepts, name)


def _by_keyword(file: File, source: Source) -> dict[str, HeaderItem]:
    items: dict[str, HeaderItem] = {}
    for item in file.header:
        if item.keyword in items:
            line = source.line_at(items[item.keyword].start)
            message = f"the header states {item.keyword} twice (first on line {line})"
            raise source.error(message, item.start, item.end)
        items[item.keyword] = item
    return items


def _vocabulary(
    item: HeaderItem | None, source: Source, given: Sequence[Value] | None
) -> tuple[Value, ...]:
    if item is None:
        if given is None:
            raise _needs(source, "vocabulary")
        return tuple(given)
    stated = _values(item, source)
    if PADDING in stated:
        message = f"{show_value(PADDING)} is padding and never in a program's vocabulary"
        raise source.error(message, item.start, item.end)
    if given is not None and [*map(value_key, given)] != [*map(value_key, stated)]:
        message = "the file states its vocabulary; it cannot be given another one"
        raise source.error(message, item.start, item.end)
    return stated


def _context(item: HeaderItem | None, source: Source, given: int | None) -> int:
    if item is None:
        if given is None:
            raise _needs(source, "context")
        if given > LONGEST:
            raise TpirError(f"inputs have at most {LONGEST:,} tokens, not {given:,}")
        return given
    stated = item.content
    if not isinstance(stated, int) or isinstance(stated, bool) or not 1 <= stated <= LONGEST:
        message = f"context is a whole number of tokens, from 1 to {LONGEST:,}"
        raise source.error(message, item.start, item.end)
    if given is not None and given != stated:
        message = f"the file states context {stated}; it cannot be given {given}"
        raise source.error(message, item.start, item.end)
    return stated


def _needs(source: Source, what: str) -> TpirError:
    return TpirError(
        f"{source.name} states no {what}: give --vocab and --max-length, "
        "or a header with vocabulary {…} and context N;"
    )


def _values(item: HeaderItem, source: Source) -> tuple[Value, ...]:
    assert isinstance(item.content, Values)
    values = item.content.values
    if len(distinct(values)) != len(values):
        keys = [value_key(v) for v in values]
        twice = next(v for k, v in enumerate(values) if value_key(v) in keys[:k])
        message = f"{item.keyword} lists {show_value(twice)} twice"
        raise source.error(message, item.start, item.end)
    if item.keyword == "vocabulary" and not values:
        raise source.error("the vocabulary is empty", item.start, item.end)
    return values


def _accepts(item: HeaderItem, source: Source, vocabulary: tuple[Value, ...]) -> str:
    text = source.text[item.start : item.end]
    try:
        form = parse_form(text, source.name)
    except TpirError as error:
        raise _moved(error, source, item) from None
    known = {value_key(v) for v in vocabulary}
    for token in _tokens(form):
        if value_key(token) not in known:
            spelled = escaped(token) if isinstance(token, str) else show_value(token)
            at = max(text.find(spelled), 0) + item.start
            raise source.error(
                f"the accepted form names {show_value(token)}, which is not in the vocabulary",
                at,
                at + len(spelled),
            )
    return str(form)


def _moved(error: TpirError, source: Source, item: HeaderItem) -> TpirError:
    """An error in the form's own text, at its place in the file."""
    start = item.start
    if error.span is not None:
        lines = source.text[item.start : item.end].split("\n")
        start += sum(len(line) + 1 for line in lines[: error.span.line - 1])
        start += error.span.column - 1
    width = error.span.width if error.span is not None else 1
    return source.error(error.message, start, start + width, *error.notes)


def _tokens(form: Form) -> list[Value]:
    match form:
        case Literal(value):
            return [value]
        case Concatenation(parts) | Alternation(parts):
            return [token for part in parts for token in _tokens(part)]
        case Repetition(body):
            return _tokens(body)
    return []
