"""``tpir lint``: what a reader of Python would misread."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.console import say, show, show_json
from tpir.cli.options import Json
from tpir.cli.verdicts import WRONG
from tpir.files import read_text
from tpir.text.lint import LintWarning, lint
from tpir.text.parser import parse_syntax
from tpir.text.source import Source


def lint_(
    programs: Annotated[
        list[Path],
        typer.Argument(metavar="PROGRAM...", help="Programs, .rasp.", show_default=False),
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 2 where there is a warning.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Warn of expressions that a reader of Python would misread.

    The precedence of operators is that of the original RASP: not and signs bind tightest, ^ groups
    from the left, % stands between products and sums, comparisons do not chain, and and or bind
    alike, in binds loosest. Each expression that Python would group otherwise is shown with the
    parentheses that say what it means; with them both read it alike.

    Exit status: 0, or with --strict 2 where there is a warning.

    Examples:

    \b
      tpir lint hist.rasp
      tpir lint *.rasp --strict
    """
    found = [(source, warning) for path in programs for source, warning in _warnings(path)]
    if as_json:
        show_json([_plain(source, warning) for source, warning in found])
    for source, warning in () if as_json else found:
        show(f"warning: {warning.at(source)}")
    say(f"{len(found)} warning{'' if len(found) == 1 else 's'}")
    if strict and found:
        raise typer.Exit(WRONG)


def _warnings(path: Path) -> list[tuple[Source, LintWarning]]:
    source = Source(str(path), read_text(path))
    return [(source, warning) for warning in lint(parse_syntax(source), source)]


def _plain(source: Source, warning: LintWarning) -> dict[str, object]:
    span = source.span(warning.start, warning.end)
    return {
        "file": span.source,
        "line": span.line,
        "column": span.column,
        "width": span.width,
        "message": warning.message,
        "suggestion": warning.suggestion,
    }
