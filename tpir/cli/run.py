"""``tpir run``: what an artefact makes of inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load, specialised
from tpir.cli.console import progress, show_json, write
from tpir.cli.inputs import (
    as_json,
    in_vocabulary,
    name_of_inputs,
    plain,
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
from tpir.cli.trace import show_trace
from tpir.errors import TpirError
from tpir.files import check_writable
from tpir.ir.values import Value
from tpir.semantics.interpreter import Outcome, failure_error

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
    trace: Annotated[
        bool,
        typer.Option("--trace", help="First show what every variable holds, for a single input."),
    ] = False,
    force: Force = False,
    as_json_: Json = False,
) -> None:
    """Run any artefact: a program, an emitted module, a checkpoint.

    A .rasp file without a header is specialised to the inputs given: their tokens, their length.

    With --input, each line of output is a JSON array: one value for each position, one in all
    where the output is pooled, an object of arrays where outputs have names. An input on which the
    program fails gives {"error": "division by zero"}, say, and does not stop the others; one that
    the artefact does not accept is an error, and nothing is written.

    With --trace the value of each sequence at each position comes first, then the keys that each
    selector selects, a line for each query; with --json one object holds all of it. A checkpoint
    is lowered for it. Where the program fails, what it computed before that is shown.

    Examples:

    \b
      tpir run sort.min.rasp --tokens '<s> 3 1 4 1 </s>'
      tpir run runs/sort --input in.jsonl -o out.jsonl
      tpir run double.rasp --text hello
      tpir run double.rasp --text hello --trace
    """
    given = tokens_given(tokens, text)
    if (given is None) == (inputs is None):
        raise TpirError("give an input: --tokens, --text or --input")
    if trace and given is None:
        raise TpirError("--trace shows one input: give it by --tokens or --text, not --input")
    if trace and out is not None:
        raise TpirError("--trace prints what it shows: leave out -o")
    if out is not None and str(out) != "-":
        check_writable(out, force=force)
    options = read_options(vocab, max_length, accepts, output, strict=strict)
    if given is not None:
        loaded = load(artefact, specialised(artefact, options, [given]))
        words = in_vocabulary(given, loaded.vocabulary)
        outcome = run_all(loaded, [words])[0]
        if trace:
            show_trace(loaded, words, outcome, machine=as_json_)
        if outcome.values is None:
            raise failure_error(outcome, loaded.program, words)
        if not (trace and as_json_):
            _show_one(outcome, outcome.values, out, force, as_json_)
        return
    assert inputs is not None
    rows = read_inputs(inputs)
    loaded = load(artefact, specialised(artefact, options, rows))
    with progress("running") as advance:
        outcomes = run_all(loaded, rows, advance, where=f"{name_of_inputs(inputs)}, input")
    lines = (json.dumps(as_json(outcome), ensure_ascii=False) for outcome in outcomes)
    write(out, "".join(f"{line}\n" for line in lines), force=force)


def _show_one(
    outcome: Outcome,
    values: Mapping[str, tuple[Value, ...]],
    out: Path | None,
    force: bool,
    machine: bool,
) -> None:
    if out is not None:
        write(out, json.dumps(as_json(outcome), ensure_ascii=False) + "\n", force=force)
    elif machine:
        show_json(as_json(outcome))
    else:
        rows = {name: " ".join(map(plain, row)) for name, row in values.items()}
        alone = len(rows) == 1
        write(
            None,
            "".join(f"{row}\n" if alone else f"{name}: {row}\n" for name, row in rows.items()),
            force=force,
        )
