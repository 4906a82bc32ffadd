"""``tpir eval``: how often an artefact is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load
from tpir.cli.console import progress, show, show_json
from tpir.cli.eval_problem import Asked, eval_problem
from tpir.cli.eval_tables import accuracy_table, as_json
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
from tpir.equiv.artefact import Artefact, ReadOptions
from tpir.errors import TpirError
from tpir.ir.values import Value, show_value
from tpir.semantics.interpreter import Outcome
from tpir.training.evaluate import Accuracy, accuracy_by_length
from tpir.training.problem import BOS


def eval_(
    artefact: ArtefactPath,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE",
            help='JSON lines {"tokens": [...], "labels": [...]}, null where there is no label; '
            '"gold" may stand for "labels", and the file may be gzipped. Or a .csv table with the '
            "columns tokens and labels, words separated by spaces, - where there is no label.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="NAME", help="One of the eight tasks of tpir train."),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option("--teacher", metavar="PROG.rasp", help="The program whose output is right."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All inputs too, where there are at most 1,000,000.")
    ] = False,
    beyond: Annotated[
        int,
        typer.Option("--beyond", metavar="N", min=0, help="Inputs up to N tokens longer, too."),
    ] = 0,
    dataset_size: Annotated[
        int | None,
        typer.Option(
            "--dataset-size", metavar="N", min=1, help="Inputs drawn, as in training: 20,000."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="The seed they are drawn by: 0.")
    ] = 0,
    as_reference: Annotated[
        bool,
        typer.Option(
            "--as-reference", help="Draw and split a task's inputs as the public reference does."
        ),
    ] = False,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    as_json_: Json = False,
) -> None:
    """Measure accuracy: against labels, a task or a program, overall and by length of the input.

    Tokens and labels are words; the word 3 may stand for the number 3. Positions without a label do
    not count; an input on which the program fails is wrong throughout. Beside the share of all
    positions stands the mean over lengths: data sets are nearly all long inputs, and short ones
    hide in them.

    With --task or --teacher inputs are drawn and split as for training, by length: with the size
    and seed of the training run, test inputs are those that it did not see. --beyond runs the
    program, or what the model lowers to, on inputs longer than it was made for, or says why not.

    Examples:

    \b
      tpir eval sort.min.rasp --data test.jsonl
      tpir eval runs/sort --data test.jsonl.gz --json
      tpir eval runs/sort --task sort --all
      tpir eval runs/hist --teacher hist.rasp --beyond 4
    """
    if sum(source is not None for source in (data, task, teacher)) != 1:
        raise TpirError("say what is right: give one of --data, --task and --teacher")
    options = read_options(vocab, max_length, accepts, output, strict=strict)
    if data is None:
        asked = Asked(task, teacher, everything, beyond, dataset_size, seed, as_reference)
        eval_problem(artefact, options, asked, as_json=as_json_)
        return
    if everything or beyond:
        raise TpirError("only --task and --teacher label inputs that are not in --data")
    accuracy = _on_file(artefact, options, data)
    if as_json_:
        show_json(as_json(accuracy))
    else:
        show(accuracy_table(accuracy))


def _on_file(path: Path, options: ReadOptions, data: Path) -> Accuracy:
    loaded = load(path, options)
    _expect_labels(loaded)
    rows, gold = read_labelled(data)
    if BOS in loaded.vocabulary and not any(BOS in row for row in rows):
        if all(len(labels) == len(row) for row, labels in zip(rows, gold, strict=True)):
            gold = [(None, *labels) for labels in gold]
        rows = [(BOS, *row) for row in rows]  # as tpir trains on a file
    tokens = [in_vocabulary(row, loaded.vocabulary) for row in rows]
    with progress("running") as advance:
        outcomes = run_all(loaded, tokens, advance, where=f"{data}, example")
    guesses = [_labels(o, len(g)) for o, g in zip(outcomes, gold, strict=True)]
    return accuracy_by_length(rows, gold, guesses)


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
