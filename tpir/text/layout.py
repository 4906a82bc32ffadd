"""Laying out pieces of text in lines of at most 100 columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

WIDTH = 100
INDENT = "    "
_BETWEEN = "  "
_WIDEST = 46  # longer pieces are easier to read one below the other
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^ "])+')


def fill(pieces: Iterable[str], indent: str, hang: str) -> list[str]:
    """Pieces joined by spaces, broken between pieces; lines after the first begin with ``hang``."""
    lines, line, room = [], indent, WIDTH - len(indent)
    fresh = True
    for piece in pieces:
        if not fresh and len(piece) + 1 > room:
            lines.append(line)
            line, room, fresh = hang, WIDTH - len(hang), True
        line += piece if fresh else " " + piece
        room -= len(piece) + (0 if fresh else 1)
        fresh = False
    return [*lines, line]


def wrapped(line: str) -> list[str]:
    """A line of text, broken at spaces outside quotes where it is too long."""
    return [line] if len(line) <= WIDTH else fill(_WORD.findall(line), "", INDENT)


def listed(parts: Sequence[str], opening: str, closing: str) -> list[str]:
    """``{a, b}`` as pieces: the commas stay with what they follow."""
    if not parts:
        return [opening + closing]
    pieces = [f"{part}," for part in parts[:-1]] + [parts[-1] + closing]
    return [opening + pieces[0], *pieces[1:]]


def block(head: str, items: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """``head { item; item }``: on one line where it fits, else in columns, else one item a line.

    Columns are read from left to right, line by line.
    """
    flat = "; ".join(" ".join(item) for item in items)
    short = f"{indent}{head} {{ {flat} }}" if items else f"{indent}{head} {{}}"
    if len(short) < WIDTH:
        return [short]
    inner = indent + INDENT
    rows = _columns([" ".join(item) + ";" for item in items], WIDTH - len(inner))
    lines = [f"{indent}{head} {{"]
    if rows is not None:
        lines.extend(inner + row for row in rows)
    else:
        for item in items:
            lines.extend(fill([*item[:-1], item[-1] + ";"], inner, inner + INDENT))
    return [*lines, indent + "}"]


def _columns(texts: Sequence[str], width: int) -> list[str] | None:
    """Texts in as many columns as fit, each as wide as it has to be; None where two do not fit."""
    if max(map(len, texts), default=0) > _WIDEST:
        return None
    for count in range(len(texts) - 1, 1, -1):
        wide = [max(map(len, texts[k::count])) for k in range(count)]
        if sum(wide) + len(_BETWEEN) * (count - 1) <= width:
            rows = [texts[k : k + count] for k in range(0, len(texts), count)]
            return [
                _BETWEEN.join(map(str.ljust, row, wide)).rstrip()  # the last row may be shorter
                for row in rows
            ]
    return None
