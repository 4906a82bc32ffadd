"""``tpir eval``: how often an artefact is right."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tpir.cli.artefacts import load
from tpir.cli.console import progress, show, show_json
from tpir.cli.inputs import in_vocabulary, run_all
from tpir.cli.labelled import read_labelled
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
from tpir.equiv.artefact import Artefact
from tpir.errors import TpirError
from tpir.ir.values import Value, show_value
from tpir.semantics.interpreter import Outcome
from tpir.training.evaluate import Accuracy, Tally, accuracy_by_length


def eval_(
    artefact: ArtefactPath,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="FILE",
            help='JSON lines {"tokens": [...], "labels": [...]}, null where there is no label; '
            '"gold" may stand for "labels", and the file may be gzipped.',
            show_default=False,
        ),
    ],
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Measure accuracy against labels, overall and by length of the input.

    Tokens and labels are words; the word 3 may stand for the number 3. Positions without a label do
    not count; an input on which the program fails is wrong throughout.

    Examples:

    \b
      tpir eval sort.min.rasp --data test.jsonl
      tpir eval runs/sort --data test.jsonl.gz --json
    """
    loaded = load(artefact, read_options(vocab, max_length, accepts, output, strict=strict))
    _expect_labels(loaded)
    rows, gold = read_labelled(data)
    tokens = [in_vocabulary(row, loaded.vocabulary) for row in rows]
    with progress("running") as advance:
        outcomes = run_all(loaded, tokens, advance, where=f"{data}, example")
    guesses = [_labels(o, len(g)) for o, g in zip(outcomes, gold, strict=True)]
    accuracy = accuracy_by_length(rows, gold, guesses)
    if as_json:
        show_json(_as_json(accuracy))
    else:
        show(_table(accuracy))


def _expect_labels(artefact: Artefact) -> None:
    """A Transformer has the outputs that it was compiled with; its numbers are no labels."""
    outputs = () if artefact.transformer is None else artefact.transformer.outputs
    if len(outputs) > 1:
        names = ", ".join(output.name for output in outputs)
        raise TpirError(
            f"{artefact.path} has several outputs ({names}): compile the program with --output"
        )
    for output in outputs:
        if output.values is None:
            raise TpirError(
                f"{artefact.path} gives {output.name} up to rounding, which no label is spelled"
                " like; `tpir check` compares numbers"
            )


def _labels(outcome: Outcome, count: int) -> tuple[str | None, ...]:
    if outcome.values is None:
        return (None,) * count
    if len(outcome.values) > 1:
        names = ", ".join(outcome.values)
        raise TpirError(f"the program has several outputs ({names}): choose one with --output")
    return tuple(_label(value) for value in next(iter(outcome.values.values())))


def _label(value: Value) -> str:
    """Labels in data are words; a value that is a number is compared as it is spelled."""
    return value if isinstance(value, str) else show_value(value)


def _as_json(accuracy: Accuracy) -> dict[str, object]:
    def tally(found: Tally) -> dict[str, object]:
        shown = found.accuracy if found.labels else None
        return {**dataclasses.asdict(found), "accuracy": shown}

    lengths = {str(length): tally(found) for length, found in accuracy.by_length.items()}
    return {"overall": tally(accuracy.overall), "by_length": lengths}


def _table(accuracy: Accuracy) -> Table:
    table = Table("length", "inputs", "all right", "labels", "right", "accuracy")
    for column in table.columns:
        column.justify = "right"
    for length, tally in accuracy.by_length.items():
        table.add_row(str(length), *_cells(tally))
    table.add_section()
    table.add_row("all", *_cells(accuracy.overall), style="bold")
    return table


def _cells(tally: Tally) -> list[str]:
    counts = (tally.inputs, tally.inputs_correct, tally.labels, tally.correct)
    shown = f"{100 * tally.accuracy:.2f} %" if tally.labels else "-"
    return [*(f"{count:,}" for count in counts), shown]
