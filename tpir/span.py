"""Places in source text."""

from __future__ import annotations

from dataclasses import dataclass

_SHOWN = 160
"""At most this many characters of a line, or of what stands in a message, are shown."""

_BEFORE = 40
"""Of a longer line, at most this many characters before the place."""


@dataclass(frozen=True)
class Span:
    """A stretch of one line of a named source text.

    ``line`` and ``column`` count from 1; ``width`` is how many characters the caret underlines.
    ``text`` is the whole source line, so an error can show it without opening the file again.
    """

    source: str
    line: int
    column: int
    width: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"

    def excerpt(self) -> str:
        """The source line with a caret under the span, or nothing if the line is not known."""
        if not self.text:
            return ""
        begin = 0 if len(self.text) <= _SHOWN else max(0, self.column - 1 - _BEFORE)
        shown = self.text[begin : begin + _SHOWN]
        before, after = "…" * (begin > 0), "…" * (begin + _SHOWN < len(self.text))
        margin = " " * (self.column - 1 - begin + len(before))
        carets = "^" * max(1, min(self.width, begin + _SHOWN - self.column + 1))
        return f"    {before}{shown}{after}\n    {margin}{carets}"


def shortened(text: str, longest: int = _SHOWN) -> str:
    """A text for a message: the middle of a long one is left out."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]}…{text[-(longest // 2) :]}"
