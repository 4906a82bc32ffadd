"""Places in source text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_CALLS = 5
"""Of more calls than this, those in the middle are only counted."""


@dataclass(frozen=True)
class Span:
    """A stretch of one line of a named source text.

    ``line`` and ``column`` count from 1; ``width`` is how many characters the caret underlines.
    ``text`` is the whole source line, so an error can show it without opening the file again.
    ``caller`` is the place of the call that a function's body was run for; places are the same
    wherever they were called from.
    """

    source: str
    line: int
    column: int
    width: int = 1
    text: str = ""
    caller: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"

    def excerpt(self) -> str:
        """The source line with a caret under the span, or nothing if the line is not known."""
        if not self.text:
            return ""
        margin = " " * (self.column - 1)
        return f"    {self.text}\n    {margin}{'^' * max(1, self.width)}"

    def calls(self) -> list[str]:
        """A line for each call that led here, the innermost first; of many only the ends."""
        places = list(self._callers())
        lines = [f"called at {place}" for place in places]
        if len(lines) > _MOST_CALLS:
            tail = _MOST_CALLS // 2
            left_out = len(lines) - _MOST_CALLS
            more = "1 more call" if left_out == 1 else f"{left_out:,} more calls"
            lines[_MOST_CALLS - tail : -tail] = [f"… {more} …"]
        return lines

    def _callers(self) -> Iterator[Span]:
        place = self.caller
        while place is not None:
            yield place
            place = place.caller
