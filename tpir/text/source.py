"""Source text: from character offsets to places, and the comments in it."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from tpir.errors import TpirError
from tpir.span import Span

_COMMENT = re.compile(r'(?<!\w)e"(?:[^"\\\n]|\\[^\n])*"|"[^"\n]*"|#([^\n]*)')


@dataclass(frozen=True)
class Comment:
    """A comment without its ``#`` and the space after it; ``start`` is the offset of the ``#``.

    ``trailing`` says that something stands before it on its line.
    """

    text: str
    start: int
    trailing: bool


@dataclass(frozen=True)
class Source:
    """A named text that offsets are resolved in."""

    name: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    def line_at(self, offset: int) -> int:
        """The number of the line, from 1, that holds an offset."""
        return bisect_right(self._starts, offset)

    def span(self, start: int, end: int, caller: Span | None = None) -> Span:
        """The place of the characters from ``start`` up to ``end``, cut at the line's end.

        ``caller`` is where the function that they stand in was called.
        """
        line = self.line_at(start)
        begin = self._starts[line - 1]
        finish = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        shown = self.text[begin:finish].rstrip("\r")
        width = max(1, min(end, begin + len(shown)) - start)
        return Span(self.name, line, start - begin + 1, width, shown.replace("\t", " "), caller)

    def error(self, message: str, start: int, end: int, *notes: str) -> TpirError:
        """An error at a place in this text."""
        return TpirError(message, span=self.span(start, end), notes=notes)

    @cached_property
    def comments(self) -> tuple[Comment, ...]:
        """The comments, in order."""
        found = []
        for match in _COMMENT.finditer(self.text):
            if match.group(1) is not None:
                begin = self._starts[self.line_at(match.start()) - 1]
                trailing = bool(self.text[begin : match.start()].strip())
                text = match.group(1).rstrip("\r").removeprefix(" ")
                found.append(Comment(text, match.start(), trailing))
        return tuple(found)
