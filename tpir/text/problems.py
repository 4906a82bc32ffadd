"""Errors of elaboration, with a place for readers of files, and as the original words them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from tpir.errors import TpirError
from tpir.span import Span


class Heading(Enum):
    """How the original introduces an error."""

    IGNORED = "\t\t!!ignoring input:\n\t "
    WRONG = "something went wrong: "
    MISSING = "not implemented this command yet! ignoring"


class RaspError(TpirError):
    """An error in a program: ``said`` is what the original says of it under ``heading``."""

    def __init__(
        self,
        message: str,
        *,
        said: str,
        heading: Heading,
        span: Span | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(message, span=span, notes=notes)
        self.said, self.heading = said, heading
