"""``tpir run``: what an artefact makes of inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load, specialised
from tpir.cli.console import progress, show_json, write
from tpir.cli.inputs import (
    as_json,
    in_vocabulary,
    name_of_inputs,
    read_inputs,
    run_all,
    tokens_given,
)
from tpir.cli.options import (
    Accepts,
    ArtefactPath,
    Force,
    Json,
    MaxLength,
    OutFile,
    OutputName,
    Strict,
    Vocab,
    read_options,
)
from tpir.equiv.artefact import Artefact
from tpir.errors import TpirError
from tpir.files import check_writable
from tpir.ir.values import Value, show_value
from tpir.semantics.interpreter import failure_error

Tokens = Annotated[
    str | None, typer.Option("--tokens", metavar="'w1 w2'", help="An input, split on white space.")
]
Text = Annotated[
    str | None, typer.Option("--text", metavar="TEXT", help="An input, one token a character.")
]


def run(
    artefact: ArtefactPath,
    tokens: Tokens = None,
    text: Text = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            "--input", metavar="FILE", help="Inputs, one JSON array of tokens a line; - is stdin."
        ),
    ] = None,
    out: OutFile = None,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    force: Force = False,
    as_json_: Json = False,
) -> None:
    """Run any artefact: a program, an emitted module, a checkpoint.

    A .rasp file without a header is specialised to the inputs given: their tokens, their length.

    With --input, each line of output is a JSON array: one value for each position, one in all
    where the output is pooled, an object of arrays where outputs have names. An input on which the
    program fails gives {"error": "division by zero"}, say, and does not stop the others; one that
    the artefact does not accept is an error, and nothing is written.

    Examples:

    \b
      tpir run sort.min.rasp --tokens '<s> 3 1 4 1 </s>'
      tpir run runs/sort --input in.jsonl -o out.jsonl
      tpir run double.rasp --text hello
    """
    given = tokens_given(tokens, text)
    if (given is None) == (inputs is None):
        raise TpirError("give an input: --tokens, --text or --input")
    if out is not None and str(out) != "-":
        check_writable(out, force=force)
    options = read_options(vocab, max_length, accepts, output, strict=strict)
    if given is not None:
        loaded = load(artefact, specialised(artefact, options, [given]))
        _run_one(loaded, in_vocabulary(given, loaded.vocabulary), out, force, as_json_)
        return
    assert inputs is not None
    rows = read_inputs(inputs)
    loaded = load(artefact, specialised(artefact, options, rows))
    with progress("running") as advance:
        outcomes = run_all(loaded, rows, advance, where=f"{name_of_inputs(inputs)}, input")
    lines = (json.dumps(as_json(outcome), ensure_ascii=False) for outcome in outcomes)
    write(out, "".join(f"{line}\n" for line in lines), force=force)


def _run_one(
    artefact: Artefact, tokens: tuple[Value, ...], out: Path | None, force: bool, machine: bool
) -> None:
    outcome = run_all(artefact, [tokens])[0]
    if outcome.values is None:
        raise failure_error(outcome, artefact.program, tokens)
    if out is not None:
        write(out, json.dumps(as_json(outcome), ensure_ascii=False) + "\n", force=force)
    elif machine:
        show_json(as_json(outcome))
    else:
        rows = {name: " ".join(map(plain, row)) for name, row in outcome.values.items()}
        alone = len(rows) == 1
        write(
            None,
            "".join(f"{row}\n" if alone else f"{name}: {row}\n" for name, row in rows.items()),
            force=force,
        )


def plain(value: Value) -> str:
    """A value as a person reads it among others: words without quotes where they are plain."""
    return value if isinstance(value, str) and value.split() == [value] else show_value(value)
