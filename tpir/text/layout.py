"""Laying out pieces of text in lines of at most 100 columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, groupby

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


def block(
    head: str, items: Sequence[Sequence[str]], indent: str = "", *, tight: bool = False
) -> list[str]:
    """``head { item; item }``: on one line where it fits, else in columns, else one item a line.

    Columns are read from left to right, line by line. ``tight``: where there are no columns, an
    item still follows the one before it where it fits behind it.
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
        lines.extend(_stacked(items, inner, tight))
    return [*lines, indent + "}"]


def _stacked(items: Sequence[Sequence[str]], indent: str, tight: bool) -> list[str]:
    """Each item on a line of its own, but for those that ``tight`` lets follow."""
    lines: list[str] = []
    for item in items:
        own = fill([*item[:-1], item[-1] + ";"], indent, indent + INDENT)
        if tight and lines and len(own) == 1:
            behind = lines[-1] + _BETWEEN + own[0].lstrip()
            if len(behind) <= WIDTH:
                lines[-1] = behind
                continue
        lines.extend(own)
    return lines


def packed(blocks: Iterable[list[str]], indent: str) -> list[str]:
    """Blocks one below the other; short ones of one line that follow each other in columns."""

    def is_short(lines: list[str]) -> bool:
        return len(lines) == 1 and len(lines[0]) <= len(indent) + _WIDEST

    lines: list[str] = []
    for short, run in groupby(blocks, is_short):
        inner = [*chain.from_iterable(run)]
        rows = _columns([line.strip() for line in inner], WIDTH - len(indent)) if short else None
        lines.extend(inner if rows is None else [indent + row for row in rows])
    return lines


def _columns(texts: Sequence[str], width: int) -> list[str] | None:
    """Texts in as many columns as fit, each as wide as it has to be; None where two do not fit.

    What the last line would hold goes to the end of the line before where it fits.
    """
    if max(map(len, texts), default=0) > _WIDEST:
        return None
    for count in range(len(texts), 1, -1):
        wide = [max(map(len, texts[k::count])) for k in range(count)]
        if sum(wide) + len(_BETWEEN) * (count - 1) <= width:
            rows = [texts[k : k + count] for k in range(0, len(texts), count)]
            lines = [
                _BETWEEN.join(map(str.ljust, row, wide)).rstrip()  # the last row may be shorter
                for row in rows
            ]
            end = _BETWEEN.join(lines[-2:])
            return [*lines[:-2], end] if len(end) <= width else lines
    return None
