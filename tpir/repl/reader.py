"""Lines put together to statements, and no statement swallowed by the one before it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tpir.errors import TpirError
from tpir.text.parser import IncompleteError, parse_syntax
from tpir.text.source import Source
from tpir.text.syntax import File


@dataclass(frozen=True)
class Read:
    """A text that was read: its statements."""

    file: File
    source: Source


class Unreadable(TpirError):
    """Text that is not ``.rasp``."""

    @classmethod
    def of(cls, error: TpirError) -> Unreadable:
        """The same error, known to be one of syntax."""
        return cls(error.message, span=error.span, notes=error.notes)


Piece = Read | Unreadable


class Reader:
    """Takes a line at a time, and gives statements as soon as they are complete.

    A text that could go on waits for more lines. Where a new line cannot go on with it, but the
    text is complete but for its ``;``, it is taken so, and the line begins anew: a forgotten ``;``
    costs nothing. ``source`` makes the source of a text, given how many texts and how many lines
    were taken before it.
    """

    def __init__(self, source: Callable[[str, int, int], Source]) -> None:
        self._source = source
        self._text = ""
        self._texts = self._lines = 0

    @property
    def waiting(self) -> bool:
        """Whether lines were taken that nothing has come of yet, were they blank."""
        return bool(self._text)

    @property
    def unfinished(self) -> bool:
        """Whether what waits is the beginning of a statement."""
        return bool(self._text) and self._parse(self._text) is None

    @property
    def lacks_its_end(self) -> bool:
        """Whether what waits is a statement but for its ``;``."""
        return self.unfinished and isinstance(self._parse(self._text + ";"), Read)

    @property
    def depth(self) -> int:
        """How many ``def`` stand in what waits: the original indents its prompt by them."""
        lines = self._text.split("\n")
        words = " ".join(line for line in lines if not line.lstrip().startswith("#")).split()
        return words.count("def")

    def add(self, line: str) -> list[Piece]:
        """Take a line."""
        before, self._text = self._text, f"{self._text}{line}\n"
        piece = self._parse(self._text)
        if isinstance(piece, Read):
            if piece.file.statements or piece.file.header:
                self.drop()
                return [piece]
            return []
        if isinstance(piece, Unreadable):
            ended = self._ended(before)
            if ended is not None:
                self._text = before
                self.drop()
                return [ended, *self.add(line)]
            self.drop()
            return [piece]
        return []

    def finish(self) -> list[Piece]:
        """The end of all lines: what waits is taken as if it had its ``;``."""
        text = self._text
        found = self._ended(text, report=True) if self._parse(text) is None else None
        self.drop()
        return [] if found is None else [found]

    def drop(self) -> None:
        """Be done with what waits."""
        self._lines += self._text.count("\n")
        self._texts += bool(self._text)
        self._text = ""

    def _ended(self, text: str, *, report: bool = False) -> Piece | None:
        """A text with the ``;`` that it lacks."""
        if not text.strip():
            return None
        piece = self._parse(text + ";")
        if isinstance(piece, Read):
            return piece
        return self._parse(text, report=True) if report else None

    def _parse(self, text: str, *, report: bool = False) -> Piece | None:
        """What a text says; None where it could go on, unless that is to be reported."""
        source = self._source(text, self._texts, self._lines)
        try:
            return Read(parse_syntax(source), source)
        except IncompleteError as error:
            return Unreadable.of(error) if report else None
        except TpirError as error:
            return Unreadable.of(error)


def read_all(source: Source) -> list[Piece]:
    """The statements of a file, and what in it cannot be read, in order."""
    try:
        return [Read(parse_syntax(source), source)]
    except TpirError:
        pass  # again, by the line, to find out which statements are whole
    reader = Reader(lambda text, _, before: Source(source.name, "\n" * before + text))
    pieces = [piece for line in re.split("\r?\n", source.text) for piece in reader.add(line)]
    return [*pieces, *reader.finish()]
