"""``.rasp`` text: reading it into programs and printing programs as it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.text.elaborate import elaborate
from tpir.text.header import states_inputs
from tpir.text.lint import warn_or_raise
from tpir.text.parser import parse_syntax
from tpir.text.printer import print_program
from tpir.text.recursion import room_to_nest
from tpir.text.source import Source
from tpir.text.syntax import File

__all__ = ["needs_specialising", "parse", "print_program"]


def parse(
    source: str,
    *,
    name: str = "<text>",
    vocabulary: Sequence[Value] | None = None,
    context: int | None = None,
    output: str | None = None,
    strict: bool = False,
    warn: Callable[[str], None] | None = None,
) -> Program:
    """Read ``.rasp`` text into a verified program. Law: ``parse(print_program(p)) == p``.

    ``name`` is what errors call the text. ``vocabulary`` and ``context`` (tokens, specials
    included) are for files that do not state them. ``output`` names the variable that is the one
    output; without it, the file's ``output`` statements say, or else it is the last sequence.
    ``warn`` is told each place that a reader of Python would misread (``tpir lint``), here or in a
    file that is loaded; with ``strict`` the first one is an error. Raises TpirError, with a span,
    for text that is not a program.
    """
    text = Source(name, source)
    warned: set[Source] = set()

    def check(file: File, source: Source) -> None:
        if (strict or warn is not None) and source not in warned:
            warned.add(source)  # a file may be loaded again
            warn_or_raise(file, source, strict=strict, warn=warn or _ignore)

    try:
        with room_to_nest():
            file = parse_syntax(text)
            check(file, text)
            return elaborate(
                file, text, vocabulary=vocabulary, context=context, output=output, on_load=check
            )
    except RecursionError:
        raise TpirError(f"{name} is nested too deeply") from None


def _ignore(warning: str) -> None:
    """Say nothing."""


def needs_specialising(source: str, *, name: str = "<text>") -> bool:
    """Whether the text states no vocabulary or no context, so that ``parse`` has to be given them.

    Raises TpirError for a syntax error.
    """
    return not states_inputs(parse_syntax(Source(name, source)))
