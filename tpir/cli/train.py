"""``tpir train``: train a Transformer Program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.options import Force, Json
from tpir.cli.train_construct import train_construct
from tpir.cli.train_gradient import train_gradient
from tpir.cli.train_on import Source, train_on
from tpir.cli.train_reference import train_reference
from tpir.cli.train_request import PROBLEM_FILE, Request
from tpir.cli.train_search import train_search
from tpir.cli.train_standard import is_standard, train_standard
from tpir.errors import TpirError

Way = Callable[[Request], None]

METHODS: Mapping[str, Way] = {
    "search": train_search,
    "construct": train_construct,
    "gradient": train_gradient,
    "reference": train_reference,
}
"""The ways to train a Transformer Program from scratch, by name."""

STANDARD = "standard"
"""The model that is no Transformer Program, and has a way of its own to be trained."""


def train(
    out: Annotated[
        Path,
        typer.Option("-o", metavar="FOLDER", help="Where the run goes.", show_default=False),
    ],
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="TASK",
            help="reverse, hist, double_hist, sort, most_freq, dyck1, dyck2 or induction.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="CHECKPOINT", help="A model to train on, trained or compiled."
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            "--init",
            metavar="PROGRAM|CHECKPOINT",
            help="What every seed starts with: a program, also a part of one.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE.jsonl",
            help='Examples {"tokens": [...], "labels": [...]} in place of a task\'s.',
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            "--teacher", metavar="FILE.rasp", help="A program that labels inputs drawn at random."
        ),
    ] = None,
    vocab: Annotated[
        str | None, typer.Option("--vocab", metavar="a,b,c", help="The tokens of a teacher.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="program: a Transformer Program. standard: an ordinary Transformer, to compare.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="construct: search for the program. gradient: many seeds at once. search: the "
            "one, and if it fails the other. reference: one seed as in the paper.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", metavar="N", help="How many seeds --method gradient trains."),
    ] = None,
    polish: Annotated[
        bool,
        typer.Option(
            "--polish", help="Search over the choices of the best seed of --method gradient."
        ),
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write metrics for TensorBoard as well.")
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Settings by name: demo, a model in a minute; paper, those of the paper.",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE.json", help="Settings, as a run's settings.json."),
    ] = None,
    vocab_size: Annotated[
        int | None, typer.Option("--vocab-size", metavar="N", help="Tokens, specials included.")
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option("--max-length", metavar="N", help="The longest input, specials included."),
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", metavar="N")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N")] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, by its name."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that stopped.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a Transformer Program on a task, a teacher's answers, or examples.

    The usual method, search, looks for the program itself (construct), from the shortest on, until
    one gives every label; where none is found it trains many seeds at once and keeps the best in
    validation (gradient). The method reference trains one seed as the paper does; it is the usual
    one where --preset, --settings, --epochs or --set are given.

    --model standard trains an ordinary Transformer on the same inputs, to compare with.

    The folder holds the model (checkpoint.safetensors) and settings.json; of a search also
    program.rasp, else metrics.csv and the state to resume from. Equal settings give equal weights.

    With --init every seed of the method gradient starts with a program's heads, MLPs and readout,
    and has the rest at random. A part of a program will do: if its output is not the label, the
    readout is random, too. --set freeze=true keeps the program's choices as they are.

    With --from a model that exists is trained on, gently: a run's, or one compiled from an edited
    program. It learns a task, or the examples of --data, a tenth of which is held out; the folder
    holds the new checkpoint.safetensors and metrics.csv.

    Examples:

    \b
      tpir train sort -o runs/sort
      tpir train most_freq -o runs/most_freq --vocab-size 16 --max-length 16
      tpir train --teacher prog.rasp --vocab a,b,c --max-length 8 -o runs/prog
      tpir train sort -o runs/paper --preset paper
      tpir train sort -o runs/paper --preset paper --resume
      tpir train hist -o runs/hist --vocab-size 6 --max-length 6 --set n_layers=1
      tpir train --preset demo -o runs/demo
      tpir train reverse -o runs/reverse --method gradient --seeds 16
      tpir train reverse -o runs/baseline --model standard --set d_model=32
      tpir train reverse -o runs/reverse --init part.rasp --set steps=500
      tpir train sort --from edited.safetensors -o runs/edited --epochs 3
      tpir train --from edited.safetensors --data examples.jsonl -o runs/edited
    """
    given = {
        "vocab_size": vocab_size,
        "max_length": max_length,
        "epochs": epochs,
        "seed": seed,
        "seeds": seeds,
        "vocab": vocab,
    }
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    changes |= dict(_assigned(text) for text in assign or ())
    if polish:
        changes["polish"] = True
        method = method or "gradient"
    if start is not None:
        others = (preset, settings, model, method, init)
        if resume or any(option is not None for option in others):
            raise TpirError(
                "--from starts from a model: leave out --preset, --settings, --model, --method, "
                "--init and --resume"
            )
        if task is not None and data is not None:
            raise TpirError("give a task or --data, not both")
        train_on(Source(start, task, data), out, changes, force=force, as_json=as_json)
        return
    # Settings, epochs and presets are those of the paper's training, unless it is said whose.
    classic = preset is not None or settings is not None or bool(assign) or epochs is not None
    usual = "reference" if classic else "search"
    for option, is_given in (("--init", init is not None), ("--polish", polish)):
        if is_given:
            usual = "gradient"
            if model == STANDARD or method not in (None, "gradient"):
                raise TpirError(f"{option} goes with --method gradient")
    way(model, method, out if resume else None, usual=usual)(
        Request(
            out=out,
            task=task,
            teacher=teacher,
            data=data,
            preset=preset,
            settings=settings,
            changes=changes,
            resume=resume,
            force=force,
            as_json=as_json,
            tensorboard=tensorboard,
            init=init,
        )
    )


def way(
    model: str | None,
    method: str | None,
    stopped: Path | None = None,
    *,
    usual: str = "reference",
) -> Way:
    """What trains a model by a method, or goes on with the run that ``stopped``. Raises TpirError.

    None is what is ``usual``, or what the stopped run was.
    """
    if model not in (None, "program", STANDARD):
        raise TpirError(f"there is no model {model}; there is: program, {STANDARD}")
    if model is None and method is None and stopped is not None and is_standard(stopped):
        model = STANDARD
    if model == STANDARD:
        if method is not None:
            raise TpirError("--method goes with --model program")
        return train_standard
    if method is None and stopped is not None:
        method = "gradient" if (stopped / PROBLEM_FILE).is_file() else "reference"
    method = method or usual
    if method not in METHODS:
        raise TpirError(f"there is no method {method}; there is: {', '.join(METHODS)}")
    return METHODS[method]


def _assigned(text: str) -> tuple[str, object]:
    """``name=value``: a number, true, false or null as in JSON, else a word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise TpirError(f"--set {text}: expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
