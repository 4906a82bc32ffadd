"""``tpir repl``: RASP, a statement at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.inputs import take_utf8
from tpir.errors import TpirError
from tpir.repl.console import banner, lines_of, run_lines, shown_on, typed
from tpir.repl.reply import Reply
from tpir.repl.session import Session


def repl(
    programs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PROGRAM...]", help="Files to load first.", show_default=False),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="The running example.")
    ] = None,
) -> None:
    """Type RASP, and see what it is on a running example.

    Statements are those of .rasp files; what they name is shown with its value, in the words of
    the original RASP. On a terminal: history, editing over several lines, completion with Tab;
    Alt-Enter begins a new line. Where standard input is no terminal, statements are read from it,
    and the places of errors go to standard error. :help lists the commands.

    Examples:

    \b
      tpir repl
      tpir repl sort.rasp --text "edcba"
      echo 'selector_width(select(tokens, tokens, ==));' | tpir repl
    """
    session = Session()
    if text is not None:
        if not text:
            raise TpirError("--text: an example has at least one character")
        session.settings.sequence_example = session.settings.selector_example = text
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    show = shown_on(sys.stdout, sys.stdout if terminal else sys.stderr)
    try:
        sys.stdout.write(banner(session))
        for program in programs or ():
            for reply in session.load(program):
                show(reply)
        if terminal:
            _run_on_terminal(session, show)
        else:
            take_utf8()
            run_lines(session, lines_of(sys.stdin, sys.stdout), show)
    except BrokenPipeError:  # nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_on_terminal(session: Session, show: Callable[[Reply], None]) -> None:
    try:
        from tpir.repl.terminal import run_terminal
    except ModuleNotFoundError:  # without prompt_toolkit there is no editing
        run_lines(session, typed, show)
    else:
        run_terminal(session, show)
