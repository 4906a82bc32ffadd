"""Laying out pieces of text in lines of at most 100 columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

WIDTH = 100
INDENT = "    "
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
    """``head { item; item }``: on one line where it fits, else one item a line."""
    flat = "; ".join(" ".join(item) for item in items)
    short = f"{indent}{head} {{ {flat} }}" if items else f"{indent}{head} {{}}"
    if len(short) < WIDTH:
        return [short]
    inner = indent + INDENT
    lines = [f"{indent}{head} {{"]
    for item in items:
        lines.extend(fill([*item[:-1], item[-1] + ";"], inner, inner + INDENT))
    return [*lines, indent + "}"]
