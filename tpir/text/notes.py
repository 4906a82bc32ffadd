"""What comments say of a statement: lines for the reader, and the place in a model it came from."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tpir.ir.program import Origin
from tpir.text.source import Source
from tpir.text.syntax import Assign, Name, Output, Statement

Place = tuple[int | None, str | None]
"""Layer and part of a model."""

NOWHERE: Place = (None, None)
_PLACE = re.compile(r"layer (-?[0-9]{1,9})(?:, (\S.*\S|\S))?|from (\S.*\S|\S)")


@dataclass(frozen=True)
class Notes:
    """The comment lines of a statement, and the place that a comment behind it names."""

    comments: tuple[str, ...] = ()
    place: Place = NOWHERE


def read_place(text: str) -> Place | None:
    """The place that a comment names: ``layer 0, attn 2`` or ``from embed``; None if it is none."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    layer, part, alone = found.groups()
    return (None, alone) if layer is None else (int(layer), part)


def place_of(origin: Origin | None) -> Place:
    """The place of a node, as far as text can say it."""
    if origin is None:
        return NOWHERE
    place = (origin.layer, origin.part)
    return place if place == NOWHERE or read_place(show_place(place)) == place else NOWHERE


def show_place(place: Place) -> str:
    """The comment that names a place."""
    layer, part = place
    if layer is None:
        return f"from {part}"
    return f"layer {layer}" if part is None else f"layer {layer}, {part}"


def comment_lines(comments: Sequence[str]) -> list[str]:
    """Comments as they are printed, one source line each."""
    lines = [line for comment in comments for line in re.split(r"\r\n?|\n", comment)]
    return [f"# {line}".rstrip(" ") if not line.strip(" ") else f"# {line}" for line in lines]


def notes_of(source: Source, statements: Sequence[Statement]) -> list[Notes]:
    """The notes of each statement.

    A comment belongs to the statement that it stands in or behind, else to the next one. Those of
    ``output name;`` go to the statement that defines the name.
    """
    found = [Notes() for _ in statements]
    if not statements:
        return found
    starts = [s.start for s in statements]
    for comment in source.comments:
        k = bisect_right(starts, comment.start) - 1
        behind = k >= 0 and comment.start >= statements[k].end
        if behind and comment.trailing and _same_line(source, statements[k].end, comment.start):
            place = read_place(comment.text)
            if place is not None:
                found[k] = replace(found[k], place=place)
                continue
        elif k < 0 or behind:
            k = min(k + 1, len(statements) - 1)
        found[k] = replace(found[k], comments=(*found[k].comments, comment.text))
    _pass_on(statements, found)
    return found


def _same_line(source: Source, end: int, start: int) -> bool:
    return source.line_at(max(0, end - 1)) == source.line_at(start)


def _pass_on(statements: Sequence[Statement], found: list[Notes]) -> None:
    defined: dict[str, int] = {}
    for k, statement in enumerate(statements):
        if isinstance(statement, Output) and isinstance(statement.value, Name):
            home = defined.get(statement.value.text)
            if home is not None:
                comments = (*found[home].comments, *found[k].comments)
                found[home], found[k] = replace(found[home], comments=comments), Notes()
        if isinstance(statement, Assign) and len(statement.names) == 1:
            defined[statement.names[0].text] = k
