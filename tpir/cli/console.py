"""What commands write: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tpir.files import write_atomic

if TYPE_CHECKING:
    from rich.console import RenderableType

_UNBOUNDED = 100_000
"""Columns of a console that is no terminal: nothing is cut off in a file or a pipe."""

STDOUT = Path("-")

Advance = Callable[[int, int], None]
"""Tells a progress bar how much of how much is done."""


def show(renderable: RenderableType) -> None:
    """Print a table or a text on standard output."""
    _emit(_rendered(renderable, sys.stdout))


def show_aside(renderable: RenderableType) -> None:
    """Print a table on standard error: the figures of a command whose result is a text."""
    sys.stderr.write(_rendered(renderable, sys.stderr))


def _rendered(renderable: RenderableType, stream: TextIO) -> str:
    from rich.console import Console  # here, as most commands print text

    width = None if stream.isatty() else _UNBOUNDED
    console = Console(file=stream, width=width, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(renderable, soft_wrap=isinstance(renderable, str))
    return capture.get()


def _emit(text: str) -> None:
    """Write to standard output. Where nobody reads on, as in ``… | head``, all is well."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_json(value: object) -> None:
    """Print a value as JSON on standard output."""
    _emit(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def say(text: str) -> None:
    """A remark on standard error, for the person who watches."""
    sys.stderr.write(text + "\n")


def write(path: Path | None, text: str, *, force: bool) -> None:
    """Write a text file and say so; to standard output for ``-`` or no path."""
    if path is None or path == STDOUT:
        _emit(text)
        return
    write_atomic(path, text, force=force)
    say(f"wrote {path}")


@contextmanager
def progress(what: str) -> Iterator[Advance]:
    """A bar on standard error, gone when done; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
