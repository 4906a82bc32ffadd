"""``tpir diff``: what differs between two programs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load_program
from tpir.cli.console import show, show_json
from tpir.cli.options import Accepts, Json, MaxLength, OutputName, Strict, Vocab, read_options
from tpir.view.diff import difference

Side = Annotated[
    Path, typer.Argument(help="A .rasp program, or a checkpoint to lower.", show_default=False)
]


def diff(
    a: Side,
    b: Side,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Show what differs between two programs, node by node and row by row.

    Nodes match by what they compute, then by name. Names, order and origins of inner nodes are no
    differences. Whether two different programs are the same function is for `tpir check` to say.

    Exit status: 0 equal, 1 different, 2 error.

    Examples:

    \b
      tpir diff sort.rasp sort.min.rasp
      tpir diff runs/sort sort.rasp
    """
    options = read_options(vocab, max_length, accepts, output, strict=strict)
    found = difference(load_program(a, options), load_program(b, options))
    if as_json:
        show_json(dataclasses.asdict(found))
    else:
        show(str(found))
    if not found.equal:
        raise typer.Exit(1)
