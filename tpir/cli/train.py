"""``tpir train``: train a Transformer Program."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tpir.cli.console import progress, say, show, show_json
from tpir.cli.options import Force, Json
from tpir.cli.train_on import Source, train_on
from tpir.errors import TpirError
from tpir.files import read_text

if TYPE_CHECKING:
    from tpir.training.loop import Progress
    from tpir.training.settings import TrainingSettings

PRESETS = ("demo",)


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
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE.jsonl",
            help='With --from: examples {"tokens": [...], "labels": [...]}, in place of a task\'s.',
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset", metavar="NAME", help="Settings by name: demo, a model in a minute."
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
    """Train a Transformer Program on one of the eight tasks of the public reference, on the CPU.

    The folder holds the best model (checkpoint.safetensors), settings.json, metrics.csv, and the
    state to resume from. Equal settings give equal weights.

    With --from a model that exists is trained on, gently: a run's, or one compiled from an edited
    program. It learns a task, or the examples of --data, a tenth of which is held out; the folder
    holds the new checkpoint.safetensors and metrics.csv.

    Examples:

    \b
      tpir train sort -o runs/sort
      tpir train sort -o runs/sort --resume
      tpir train hist -o runs/hist --vocab-size 6 --max-length 6 --set n_layers=1
      tpir train --preset demo -o runs/demo
      tpir train sort --from edited.safetensors -o runs/edited --epochs 3
      tpir train --from edited.safetensors --data examples.jsonl -o runs/edited
    """
    given = {"vocab_size": vocab_size, "max_length": max_length, "epochs": epochs, "seed": seed}
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    changes |= dict(_assigned(text) for text in assign or ())
    if start is not None:
        if preset is not None or settings is not None or resume:
            raise TpirError("--from starts from a model: leave out --preset, --settings, --resume")
        if task is not None and data is not None:
            raise TpirError("give a task or --data, not both")
        train_on(Source(start, task, data), out, changes, force=force, as_json=as_json)
        return
    if data is not None:
        raise TpirError("--data goes with --from CHECKPOINT")
    chosen = _changed(_settings(preset, settings, task, resume, out), changes)
    from tpir.training.loop import train as train_run  # brings torch

    say(f"training {chosen.task} for at most {chosen.epochs} epochs, seed {chosen.seed}")
    with progress("training") as advance:

        def on_progress(now: Progress) -> None:
            advance(now.record.epoch, now.epochs)
            say(_line(now))

        result = train_run(chosen, out, resume=resume, force=force, on_progress=on_progress)
    if as_json:
        shown = {"checkpoint": str(result.checkpoint), "best_epoch": result.best_epoch}
        accuracies = {
            "validation_accuracy": result.validation_accuracy,
            "test_accuracy": result.test_accuracy,
        }
        show_json(shown | accuracies)
    else:
        say(f"wrote {result.checkpoint}")
        show(
            f"accuracy {100 * result.test_accuracy:.2f} % on the test set, "
            f"{100 * result.validation_accuracy:.2f} % on the validation set "
            f"(epoch {result.best_epoch})"
        )


def _settings(
    preset: str | None, path: Path | None, task: str | None, resume: bool, out: Path
) -> TrainingSettings:
    """What to start from: a file, a preset, the run to resume, or the usual settings."""
    from tpir.training.settings import TrainingSettings, demo_settings, settings_from_json

    if preset is not None and path is not None:
        raise TpirError("give --preset or --settings, not both")
    if preset not in (None, *PRESETS):
        raise TpirError(f"there is no preset {preset}; there is: {', '.join(PRESETS)}")
    stored = out / "settings.json"
    if path is None and preset is None and resume and stored.is_file():
        path = stored
    if path is not None:
        chosen = settings_from_json(read_text(path))
    elif preset is not None:
        chosen = demo_settings()
    elif task is not None:
        chosen = TrainingSettings(task=task)
    else:
        raise TpirError("say which task to train, or give --preset or --settings")
    return chosen if task is None else _changed(chosen, {"task": task})


def _assigned(text: str) -> tuple[str, object]:
    """``name=value``: a number, true, false or null as in JSON, else a word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise TpirError(f"--set {text}: expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _changed(settings: TrainingSettings, changes: dict[str, object]) -> TrainingSettings:
    """The settings with some changed. Raises TpirError for a name or value that does not fit."""
    from tpir.training.settings import settings_from_json

    return settings_from_json(json.dumps(dataclasses.asdict(settings) | changes))


def _line(now: Progress) -> str:
    record = now.record
    return (
        f"epoch {record.epoch}/{now.epochs}: loss {record.loss:.4f}, "
        f"validation {100 * record.validation_accuracy:.2f} %, "
        f"best {100 * now.best_accuracy:.2f} %, temperature {record.temperature:.3f}, "
        f"{now.seconds:.0f} s"
    )
