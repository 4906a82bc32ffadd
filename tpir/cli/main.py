"""``tpir``: the commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from tpir.cli.verdicts import WRONG
from tpir.errors import TpirError

TRACEBACK = "TPIR_TRACEBACK"
"""Set this in the environment to see where an unexpected error came from."""

COMMANDS = {
    "train": "train:train",
    "sweep": "sweep:sweep",
    "lower": "lower:lower",
    "opt": "opt:opt",
    "emit": "emit:emit",
    "compile": "compile:compile_",
    "export": "export:export",
    "run": "run:run",
    "generate": "generate:generate",
    "repl": "repl:repl",
    "check": "check:check",
    "prove": "prove:prove",
    "roundtrip": "roundtrip:roundtrip",
    "eval": "eval:eval_",
    "show": "show:show_",
    "diff": "diff:diff",
    "info": "info:info",
    "lint": "lint:lint_",
}
"""Each command, and the module and function that is imported when it is asked for."""


def command_line(command: str | None = None) -> typer.Typer:
    """The command line: with one command alone, so that it starts fast, or with all of them."""
    app = typer.Typer(
        name="tpir",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_tpir)
    for name in COMMANDS if command not in COMMANDS else (command,):
        module, _, function = COMMANDS[name].partition(":")
        app.command(name)(getattr(import_module(f"tpir.cli.{module}"), function))
    return app


def _tpir() -> None:
    """A compiler for Transformer Programs: trained models to .rasp text, simplified, to Python
    and back to weights, every step checked.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0 done (proved, tested), 1 refuted, 2 an error in what was asked, 3 only tested where proof was
    required. Errors are one line on standard error, with the place in a source text where there is
    one; never a traceback, unless TPIR_TRACEBACK is set.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command_line(given[0] if given else None)(args=given, prog_name="tpir")
    except SystemExit as status:
        return status.code if isinstance(status.code, int) else WRONG
    except TpirError as error:
        _complain(error, str(error))
    except Exception as error:
        where = "" if os.environ.get(TRACEBACK) else f" ({TRACEBACK}=1 shows where)"
        first = str(error).split("\n")[0]
        _complain(error, f"unexpected {type(error).__name__}: {first}{where}")
    return WRONG


def _complain(error: Exception, text: str) -> None:
    if os.environ.get(TRACEBACK):
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stderr.write(f"error: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
