"""``tpir lower``: from weights to a program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load_program
from tpir.cli.console import write
from tpir.cli.options import Accepts, Force, MaxLength, OutFile, Vocab, read_options
from tpir.text import print_program

CheckpointPath = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A run's folder, one in the public reference format, or a .safetensors file.",
        show_default=False,
    ),
]


Blind = Annotated[
    bool,
    typer.Option(
        "--blind",
        help="Ignore which variables the file names; find them in the numbers. Standard "
        "Transformers only.",
    ),
]


def lower(
    checkpoint: CheckpointPath,
    out: OutFile = None,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    blind: Blind = False,
    force: Force = False,
) -> None:
    """Lower a trained model, or a standard Transformer, to the program that it computes.

    A folder in the public reference format (args.json, model.pt) needs its vocabulary: vocab.json
    in the folder, or --vocab FILE.json with its tokens and labels.

    Examples:

    \b
      tpir lower runs/sort -o sort.rasp
      tpir lower theirs/hist --vocab vocab.json -o hist.rasp
      tpir lower compiled.safetensors --blind
    """
    program = load_program(checkpoint, read_options(vocab, max_length, accepts), blind=blind)
    write(out, print_program(program), force=force)
