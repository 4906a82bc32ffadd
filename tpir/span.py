"""Places in source text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_CALLS = 5
"""Of more calls than this, those in the middle are only counted."""

_SHOWN = 160
"""At most this many characters of a line, or of what stands in a message, are shown."""

_BEFORE = 40
"""Of a longer line, at most this many characters before the place."""


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
        begin = 0 if len(self.text) <= _SHOWN else max(0, self.column - 1 - _BEFORE)
        shown = self.text[begin : begin + _SHOWN]
        before, after = "…" * (begin > 0), "…" * (begin + _SHOWN < len(self.text))
        margin = " " * (self.column - 1 - begin + len(before))
        carets = "^" * max(1, min(self.width, begin + _SHOWN - self.column + 1))
        return f"    {before}{shown}{after}\n    {margin}{carets}"

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


def shortened(text: str, longest: int = _SHOWN) -> str:
    """A text for a message: the middle of a long one is left out."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]}…{text[-(longest // 2) :]}"
