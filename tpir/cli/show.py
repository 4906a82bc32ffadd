"""``tpir show``: a program as a picture, and a run of it as a table."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load_program, specialised
from tpir.cli.console import STDOUT, show, write
from tpir.cli.inputs import in_vocabulary, tokens_given
from tpir.cli.options import (
    Accepts,
    ArtefactPath,
    Force,
    MaxLength,
    OutputName,
    Strict,
    Vocab,
    read_options,
)
from tpir.cli.run import Text, Tokens
from tpir.equiv.artefact import name_of
from tpir.errors import TpirError
from tpir.files import check_writable
from tpir.ir.program import Program
from tpir.semantics.program_space import space_of
from tpir.view.graph import dot_source, picture, title_of
from tpir.view.trace import Trace, trace_of


def show_(
    artefact: ArtefactPath,
    tokens: Tokens = None,
    text: Text = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            metavar="FILE",
            help="A .svg picture, a .html page with picture and trace, or .dot source for "
            "Graphviz; - is the picture on standard output. By default NAME.svg.",
        ),
    ] = None,
    selectors: Annotated[
        bool, typer.Option(help="Which keys each selector selects, in the trace.")
    ] = True,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    force: Force = False,
) -> None:
    """Draw a program as a graph, and trace an input: every variable at every position.

    A checkpoint is lowered first. Nodes that no output reaches are left out.

    Examples:

    \b
      tpir show sort.min.rasp --tokens '<s> 3 1 4 1 </s>'
      tpir show runs/sort -o sort.html --tokens '<s> 3 1 4 1 </s>'
      tpir show sort.min.rasp -o - > sort.svg
    """
    given = tokens_given(tokens, text)
    path = out or Path(f"{name_of(artefact)}.svg")
    if path != STDOUT and path.suffix not in (".svg", ".html", ".dot"):
        raise TpirError(f"{path}: end its name in .svg, .html or .dot")
    if path != STDOUT:
        check_writable(path, force=force)
    options = read_options(vocab, max_length, accepts, output, strict=strict)
    if given is not None:
        options = specialised(artefact, options, [given])
    program = load_program(artefact, options)
    trace = None
    if given is not None:
        words = in_vocabulary(given, program.vocabulary)
        space_of(program).encode(words)
        trace = trace_of(program, words)
    write(path, _content(program, trace, path, selectors), force=force)
    if trace is not None and path != STDOUT:
        show(trace.table(selectors=selectors))
        if trace.failure is not None:
            show(trace.fails)


def _content(program: Program, trace: Trace | None, path: Path, selectors: bool) -> str:
    if path.suffix == ".dot":
        return dot_source(program)
    svg = picture(program).svg
    if path.suffix != ".html":
        return svg
    table = "" if trace is None else trace.html(selectors=selectors)
    return (
        f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{escape(program.name)}'
        f"</title></head>\n<body><h1>{escape(title_of(program))}</h1>\n{svg}\n{table}\n"
        "</body></html>\n"
    )
