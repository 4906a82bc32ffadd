"""``tpir show``: a program or a residual stream as a picture, and a run as a table."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load, program_of, specialised
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
from tpir.equiv.artefact import Artefact, name_of
from tpir.errors import TpirError
from tpir.files import check_writable
from tpir.semantics.program_space import space_of
from tpir.view.graph import dot_source, picture, title_of
from tpir.view.stream import residual_stream
from tpir.view.stream_svg import stream_picture
from tpir.view.stream_text import stream_text
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
            "Graphviz (of programs); - is the picture on standard output. By default NAME.svg.",
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

    Of a standard Transformer, draw and list the residual stream instead: which directions hold
    which variable from which layer to which, and which heads and hidden units write and read them.
    (`tpir lower` gives its program, to draw that.)

    Examples:

    \b
      tpir show sort.min.rasp --tokens '<s> 3 1 4 1 </s>'
      tpir show runs/sort -o sort.html --tokens '<s> 3 1 4 1 </s>'
      tpir show sort.min.rasp -o - > sort.svg
      tpir show sort.safetensors -o stream.svg
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
    loaded = load(artefact, options)
    if loaded.transformer is not None and path.suffix == ".dot":
        raise TpirError(f"{path}: a residual stream is no graph; tpir lower gives the program")
    drawn = _drawn(loaded)
    trace = None
    if given is not None:
        program = program_of(loaded)
        words = in_vocabulary(given, program.vocabulary)
        space_of(program).encode(words)
        trace = trace_of(program, words)
    write(path, _content(drawn, trace, path, selectors), force=force)
    if path == STDOUT:
        return
    if drawn.text:
        show(drawn.text)
    if trace is not None:
        show(trace.table(selectors=selectors))
        if trace.failure is not None:
            show(trace.fails)


@dataclass(frozen=True)
class _Drawn:
    """What is shown of an artefact; a residual stream is text as well, a program has ``dot``."""

    name: str
    title: str
    svg: str
    text: str = ""
    dot: str = ""


def _drawn(artefact: Artefact) -> _Drawn:
    model = artefact.transformer
    if model is None:
        program = program_of(artefact)
        return _Drawn(
            program.name, title_of(program), picture(program).svg, dot=dot_source(program)
        )
    name = name_of(artefact.path)
    return _Drawn(name, name, stream_picture(model, name).svg, stream_text(residual_stream(model)))


def _content(drawn: _Drawn, trace: Trace | None, path: Path, selectors: bool) -> str:
    if path.suffix == ".dot":
        return drawn.dot
    if path.suffix != ".html":
        return drawn.svg
    text = f"<pre>{escape(drawn.text)}</pre>\n" if drawn.text else ""
    table = "" if trace is None else trace.html(selectors=selectors)
    return (
        f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{escape(drawn.name)}'
        f"</title></head>\n<body><h1>{escape(drawn.title)}</h1>\n{drawn.svg}\n{text}{table}\n"
        "</body></html>\n"
    )
