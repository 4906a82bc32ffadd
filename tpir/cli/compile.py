"""``tpir compile``: from a program to weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from tpir.cli.artefacts import load_program
from tpir.cli.compile_transformer import compile_checked
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
from tpir.files import check_writable
from tpir.ir.program import Program
from tpir.models.config import Mlps, Predicates

TARGETS = ("transformer-program", "transformer")
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
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            metavar="float32|float64",
            help="What a standard Transformer is stored and computed in; by default float32.",
        ),
    ] = None,
    predicates: Annotated[
        str | None,
        typer.Option(
            "--predicates",
            metavar="one|set",
            help="How many key values a query value of a Transformer Program can match; "
            "by default what the program needs.",
        ),
    ] = None,
    mlps: Annotated[
        str | None,
        typer.Option(
            "--mlps",
            metavar="relu|table",
            help="What the MLPs of a Transformer Program are: hidden layers (the default), or "
            "tables of logits.",
        ),
    ] = None,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    force: Force = False,
) -> None:
    """Compile a program to weights: of a Transformer Program, or of a standard Transformer.

    A Transformer Program (--target transformer-program) trains on, and lowers to the program. The
    reference format has models with --predicates one and --mlps relu only.

    A standard Transformer (--target transformer) has embeddings, softmax attention, ReLU MLPs and
    an unembedding. What is made is run beside the program before it is written: on all inputs where
    they are few, else on some thousand of all lengths.

    Exit status: 0 written, 1 the weights were not the program and nothing was written, 2 error.

    Examples:

    \b
      tpir compile sort.min.rasp --target transformer-program -o sort.safetensors
      tpir compile sort.min.rasp --format reference -o sort_reference
      tpir compile sort.min.rasp --mlps table -o sort.safetensors
      tpir compile sort.rasp --target transformer --vocab a,b,c --max-length 20 -o sort.safetensors
      tpir compile mean.rasp --target transformer --dtype float64 -o mean.safetensors
    """
    chosen = _chosen_format(target, form, out)
    if dtype is not None and target != "transformer":
        raise TpirError(f"--dtype is for --target transformer, not for {target}")
    kinds = _chosen_kinds(target, chosen, predicates, mlps)
    options = read_options(vocab, max_length, accepts, output, strict=strict)
    if target == "transformer":
        check_writable(out, force=force)
        compile_checked(load_program(artefact, options), out, dtype or "float32", force=force)
    else:
        program = load_program(artefact, options)
        _compile_transformer_program(program, out, chosen, kinds, force=force)


def _chosen_format(target: str, form: str | None, out: Path) -> str:
    """The format to write. Raises TpirError for what does not go together."""
    if target not in TARGETS:
        raise TpirError(f"cannot compile to {target}: there is {', '.join(TARGETS)}")
    chosen = form or ("safetensors" if out.suffix == ".safetensors" else "")
    if target == "transformer" and chosen == "reference":
        raise TpirError("the reference format holds Transformer Programs; leave out --format")
    if chosen not in FORMATS:
        also = "" if target == "transformer" else ", or say --format reference"
        raise TpirError(f"{out}: end its name in .safetensors{also}")
    if chosen == "safetensors" and out.suffix != ".safetensors":
        raise TpirError(f"{out}: the name of a safetensors file ends in .safetensors")
    return chosen


def _chosen_kinds(
    target: str, form: str, predicates: str | None, mlps: str | None
) -> tuple[Predicates | None, Mlps]:
    """The kinds of predicates and MLPs. Raises TpirError for what does not go together."""
    for option, said, known in (
        ("--predicates", predicates, get_args(Predicates)),
        ("--mlps", mlps, get_args(Mlps)),
    ):
        if said is not None and target == "transformer":
            raise TpirError(f"{option} is for --target transformer-program, not for {target}")
        if said is not None and said not in known:
            raise TpirError(f"{option} is {said}; it must be {' or '.join(known)}")
        if form == "reference" and said not in (None, known[0]):
            raise TpirError(f"the reference format holds models with {option} {known[0]} only")
    one = predicates == "one" or form == "reference"
    chosen: Predicates | None = "one" if one else "set" if predicates == "set" else None
    return chosen, "table" if mlps == "table" else "relu"


def _compile_transformer_program(
    program: Program,
    out: Path,
    form: str,
    kinds: tuple[Predicates | None, Mlps],
    *,
    force: bool,
) -> None:
    from tpir.backends.transformer_program import compile_transformer_program  # brings torch
    from tpir.models.checkpoint import save_checkpoint, save_reference

    predicates, mlps = kinds
    checkpoint = compile_transformer_program(program, predicates=predicates, mlps=mlps)
    save = save_checkpoint if form == "safetensors" else save_reference
    save(out, checkpoint, force=force)
    say(f"wrote {out}")
