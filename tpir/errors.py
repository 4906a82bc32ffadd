"""The one exception that users see: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from tpir.span import Span


def counted(count: int, noun: str) -> str:
    """A number of things in words: ``1 row``, ``2 rows``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class TpirError(Exception):
    """An error in what was asked: bad text, a bad file, what cannot become what was wanted.

    ``message`` is one line. ``span`` says where in a source text; ``notes`` are further lines, such
    as the operands of an ill-typed op. The calls that led to the place are told after them. The
    command line prints it and exits with status 2.
    """

    def __init__(
        self, message: str, *, span: Span | None = None, notes: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.notes = tuple(notes)

    def __str__(self) -> str:
        where = f"{self.span}: " if self.span is not None else ""
        lines = [f"{where}{self.message}"]
        if self.span is not None and self.span.excerpt():
            lines.append(self.span.excerpt())
        calls = self.span.calls() if self.span is not None else []
        lines.extend(f"  note: {note}" for note in (*self.notes, *calls))
        return "\n".join(lines)
