"""``tpir generate``: a program on its own output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import is_text, load, specialised
from tpir.cli.console import show_json, write
from tpir.cli.inputs import in_vocabulary, plain, run_all, tokens_given
from tpir.cli.options import (
    Accepts,
    ArtefactPath,
    Json,
    MaxLength,
    OutputName,
    Strict,
    Vocab,
    read_options,
)
from tpir.cli.run import Text, Tokens
from tpir.equiv.artefact import Artefact, ReadOptions
from tpir.errors import TpirError
from tpir.ir.values import Value, show_value, value_key


def generate(
    artefact: ArtefactPath,
    steps: Annotated[
        int,
        typer.Option(
            "--steps", metavar="N", min=1, help="How many tokens to add.", show_default=False
        ),
    ],
    tokens: Tokens = None,
    text: Text = None,
    stop: Annotated[
        str | None, typer.Option("--stop", metavar="TOKEN", help="End after this token.")
    ] = None,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Run an artefact on its own output: what it gives at the last position is the next token.

    A .rasp file without a header is specialised anew at each step, to the tokens there are and
    their number. Where a context or a form bounds the inputs, what was generated up to there is
    printed, and the bound is an error.

    Examples:

    \b
      tpir generate next.rasp --text abc --steps 20
      tpir generate runs/dyck --tokens '<s> ( (' --steps 8 --stop '</s>' --json
    """
    given = tokens_given(tokens, text)
    if not given:
        raise TpirError("give the beginning: --tokens or --text")
    options = read_options(vocab, max_length, accepts, output, strict=strict)
    found, failure = list(given), None
    try:
        for token in _next_tokens(artefact, options, found):
            found.append(token)
            if len(found) == len(given) + steps or str(token) == stop:
                break
    except TpirError as error:
        if len(found) == len(given):
            raise
        failure = error
    added = found[len(given) :]
    if as_json:
        show_json({"tokens": found, "generated": added})
    else:
        between = "" if text is not None else " "
        write(None, between.join(map(plain, found)) + "\n", force=False)
    if failure is not None:
        done = f"stopped after {len(added)} of {steps} steps"
        message = f"{done}: {failure.message}"
        raise TpirError(message, span=failure.span, notes=failure.notes)


def _next_tokens(path: Path, options: ReadOptions, tokens: list[Value]) -> Iterator[Value]:
    """The token after ``tokens``, which the caller appends it to, and so on. Raises TpirError."""
    asked = options if is_text(path) else replace(options, output=None)
    wanted = specialised(path, asked, [tokens])
    loaded = load(path, wanted)
    tokens[:] = in_vocabulary(tokens, loaded.vocabulary)
    grows = asked.vocabulary is None and wanted.vocabulary is not None
    while True:
        value = _last_value(loaded, tokens, options.output)
        yield _grown(value, tokens) if grows else _known(value, loaded.vocabulary)
        fitted = specialised(path, asked, [tokens])
        if fitted != wanted:
            wanted = fitted
            loaded = load(path, replace(fitted, warn=None))  # what there was to warn of is said


def _last_value(artefact: Artefact, tokens: Sequence[Value], output: str | None) -> Value:
    """What an output is at the last position."""
    outcome = run_all(artefact, [tokens])[0]
    if outcome.values is None:
        raise TpirError(f"the program fails on this input: {outcome.failure}")
    names = list(outcome.values)
    if output is not None and output not in names:
        raise TpirError(f"there is no output {output}, only {', '.join(names)}")
    if output is None and len(names) > 1:
        raise TpirError(f"there are several outputs, {', '.join(names)}: choose one by --output")
    return outcome.values[output or names[0]][-1]


def _grown(value: Value, tokens: Sequence[Value]) -> Value:
    """A value as a token of a growing vocabulary: a word among words."""
    return str(value) if all(isinstance(token, str) for token in tokens) else value


def _known(value: Value, vocabulary: Sequence[Value]) -> Value:
    """A value as a token of a vocabulary, or the word that spells it. Raises TpirError."""
    by_key = {value_key(token): token for token in vocabulary}
    for candidate in (value, str(value)):
        if value_key(candidate) in by_key:
            return by_key[value_key(candidate)]
    raise TpirError(f"the output {show_value(value)} is no token of the vocabulary")
