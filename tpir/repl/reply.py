"""What the prompt says."""

from __future__ import annotations

from dataclasses import dataclass

from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.text.problems import Heading, RaspError
from tpir.text.statements import Result


@dataclass(frozen=True)
class Reply:
    """``text`` is in the words of the original, with its line ends.

    ``error`` is the error that it reports, with its place; ``result`` what it shows, all of it or,
    where an example fails, as far as it goes; ``drawn`` the program whose picture it says it wrote.
    """

    text: str
    error: TpirError | None = None
    result: Result | None = None
    complete: bool = True
    drawn: Program | None = None


def refusal(error: TpirError) -> Reply:
    """An error in what was asked, in the words of the original where it has some."""
    if isinstance(error, RaspError):
        return Reply(f"{error.heading.value}{error.said}\n", error)
    return Reply(f"{Heading.IGNORED.value}{error.message}\n", error)


def misspelling(error: TpirError) -> Reply:
    """An error of syntax."""
    return Reply(f"\t!! {error.message} \t-- ignoring input\n", error)
