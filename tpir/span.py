"""Places in source text."""

from __future__ import annotations

from dataclasses import dataclass


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
        margin = " " * (self.column - 1)
        return f"    {self.text}\n    {margin}{'^' * max(1, self.width)}"
