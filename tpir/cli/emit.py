"""``tpir emit``: from a program to source code."""

from __future__ import annotations

from typing import Annotated

import typer

from tpir.backends.python import emit_python
from tpir.cli.artefacts import load_program
from tpir.cli.console import write
from tpir.cli.options import (
    Accepts,
    ArtefactPath,
    Force,
    MaxLength,
    OutFile,
    OutputName,
    Strict,
    Vocab,
    read_options,
)
from tpir.errors import TpirError

Language = Annotated[
    str, typer.Argument(metavar="LANGUAGE", help="What to emit: python.", show_default=False)
]


def emit(
    language: Language,
    artefact: ArtefactPath,
    out: OutFile = None,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    force: Force = False,
) -> None:
    """Emit a program as a stand-alone Python module.

    Examples:

    \b
      tpir emit python sort.min.rasp -o sort.py
      tpir emit python sort.min.rasp | less
    """
    if language != "python":
        raise TpirError(f"cannot emit {language}: there is python")
    program = load_program(
        artefact, read_options(vocab, max_length, accepts, output, strict=strict)
    )
    write(out, emit_python(program), force=force)
