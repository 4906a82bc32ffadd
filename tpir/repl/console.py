"""The prompt on plain lines: standard input that is a file or a pipe, or a bare terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

from tpir.errors import TpirError
from tpir.repl.reply import Reply
from tpir.repl.session import Session
from tpir.repl.words import quoted

ReadLine = Callable[[str], str | None]
"""Asks for a line with a prompt; None at the end."""


def banner(session: Session) -> str:
    """The first lines."""
    example = quoted(session.settings.sequence_example).strip('"')
    return f"tpir: RASP, and :help\nrunning example is: {example}\n"


def run_lines(session: Session, read: ReadLine, show: Callable[[Reply], None]) -> None:
    """Ask for lines until ``exit`` or the end."""
    while not session.done:
        try:
            line = read(session.prompt)
            for reply in session.finish() if line is None else session.feed(line):
                show(reply)
            if line is None:
                return
        except KeyboardInterrupt:
            session.drop()
            show(Reply("\n"))


def lines_of(stream: TextIO, out: TextIO) -> ReadLine:
    """Lines of a stream that is no terminal, with the prompts that a terminal would show."""

    def read(prompt: str) -> str | None:
        out.write(prompt)
        out.flush()
        try:
            line = stream.readline()
        except UnicodeDecodeError:
            raise TpirError("standard input is not a text (UTF-8)") from None
        if not line:
            out.write("\n")
            return None
        return line.removesuffix("\n")

    return read


def typed(prompt: str) -> str | None:
    """A line from a terminal."""
    try:
        return input(prompt)
    except EOFError:
        sys.stdout.write("\n")
        return None


def shown_on(out: TextIO, aside: TextIO) -> Callable[[Reply], None]:
    """Show replies on a stream, and the places of errors on another."""

    def show(reply: Reply) -> None:
        out.write(reply.text)
        out.flush()
        error = reply.error
        if error is not None and (error.span is not None or error.notes):
            aside.write(f"{error}\n")
            aside.flush()

    return show
