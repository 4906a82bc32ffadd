"""``tpir``: the commands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from tpir.cli.check import check
from tpir.cli.compile import compile_
from tpir.cli.diff import diff
from tpir.cli.emit import emit
from tpir.cli.eval import eval_
from tpir.cli.info import info
from tpir.cli.lower import lower
from tpir.cli.opt import opt
from tpir.cli.roundtrip import roundtrip
from tpir.cli.run import run
from tpir.cli.show import show_
from tpir.cli.train import train
from tpir.cli.verdicts import WRONG
from tpir.errors import TpirError

TRACEBACK = "TPIR_TRACEBACK"
"""Set this in the environment to see where an unexpected error came from."""

app = typer.Typer(
    name="tpir",
    help="A compiler for Transformer Programs: trained models to .rasp text, simplified, to Python "
    "and back to weights, every step checked.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("train")(train)
app.command("lower")(lower)
app.command("opt")(opt)
app.command("emit")(emit)
app.command("compile")(compile_)
app.command("run")(run)
app.command("check")(check)
app.command("roundtrip")(roundtrip)
app.command("eval")(eval_)
app.command("show")(show_)
app.command("diff")(diff)
app.command("info")(info)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0 done (proved, tested), 1 refuted, 2 an error in what was asked, 3 only tested where proof was
    required. Errors are one line on standard error, with the place in a source text where there is
    one; never a traceback, unless TPIR_TRACEBACK is set.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="tpir")
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
