"""``tpir compile``: from a program to weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load_program
from tpir.cli.console import say
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
from tpir.errors import TpirError

TARGETS = ("transformer-program",)
FORMATS = ("safetensors", "reference")


def compile_(
    artefact: ArtefactPath,
    out: Annotated[
        Path,
        typer.Option("-o", metavar="FILE|FOLDER", help="Where to write.", show_default=False),
    ],
    target: Annotated[
        str, typer.Option("--target", metavar="TARGET", help="What to compile to.")
    ] = TARGETS[0],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="safetensors (a file), or reference (a folder with args.json and model.pt). "
            "By default what the name of -o says.",
        ),
    ] = None,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    force: Force = False,
) -> None:
    """Compile a program to the weights of a Transformer Program, which train on.

    Examples:

    \b
      tpir compile sort.min.rasp --target transformer-program -o sort.safetensors
      tpir compile sort.min.rasp --format reference -o sort_reference
    """
    if target not in TARGETS:
        raise TpirError(f"cannot compile to {target}: there is {', '.join(TARGETS)}")
    chosen = form or ("safetensors" if out.suffix == ".safetensors" else "")
    if chosen not in FORMATS:
        raise TpirError(f"{out}: end its name in .safetensors, or say --format reference")
    if chosen == "safetensors" and out.suffix != ".safetensors":
        raise TpirError(f"{out}: the name of a safetensors file ends in .safetensors")
    program = load_program(
        artefact, read_options(vocab, max_length, accepts, output, strict=strict)
    )
    from tpir.backends.transformer_program import compile_transformer_program  # brings torch
    from tpir.models.checkpoint import save_checkpoint, save_reference

    checkpoint = compile_transformer_program(program)
    save = save_checkpoint if chosen == "safetensors" else save_reference
    save(out, checkpoint, force=force)
    say(f"wrote {out}")
