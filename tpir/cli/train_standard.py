"""``tpir train --model standard``: the baseline, an ordinary Transformer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tpir.cli.console import progress, say, show, show_json
from tpir.cli.eval_tables import as_json as accuracy_as_json
from tpir.cli.eval_tables import side_by_side
from tpir.cli.train_problem import chosen
from tpir.cli.train_request import PROBLEM_FILE, Request
from tpir.errors import TpirError
from tpir.files import read_text, write_atomic

if TYPE_CHECKING:
    from tpir.training.standard import StandardRecord, StandardResult


def is_standard(folder: Path) -> bool:
    """Whether a run that stopped is one of a standard Transformer: no other has a ``d_model``."""
    settings = folder / "settings.json"
    return settings.is_file() and '"d_model"' in read_text(settings)


def train_standard(request: Request) -> None:
    """Train, say how it goes, and show the accuracy by length. Raises TpirError."""
    if request.preset is not None:
        raise TpirError("--preset goes with --method reference")
    if request.tensorboard:
        raise TpirError("--tensorboard goes with --method gradient")
    if "epochs" in request.changes:
        raise TpirError("--epochs goes with --method reference; here it is --set steps=N")
    from tpir.training.standard_settings import StandardSettings

    source, settings = chosen(request, StandardSettings())
    from tpir.training.run_folder import SETTINGS_FILE
    from tpir.training.standard import train_standard as train_run  # brings torch

    problem = source.problem()
    say(f"training a standard Transformer on {problem.name}: {settings.steps} steps")
    if request.force or not (request.out / SETTINGS_FILE).exists():
        write_atomic(request.out / PROBLEM_FILE, source.to_json(), force=True)
    with progress("training") as advance:

        def on_record(record: StandardRecord, seconds: float) -> None:
            advance(record.epoch, settings.epochs)
            accuracy = f"validation {100 * record.accuracy:.2f} %"
            say(f"epoch {record.epoch}/{settings.epochs}: {accuracy}, {seconds:.0f} s")

        result = train_run(
            problem,
            settings,
            request.out,
            resume=request.resume,
            force=request.force,
            on_record=on_record,
        )
    if request.as_json:
        show_json(_as_json(result, request))
    else:
        say(f"wrote {request.out / 'checkpoint.safetensors'} of epoch {result.best_epoch}")
        show(side_by_side({"validation": result.validation, "test": result.test}))


def _as_json(result: StandardResult, request: Request) -> Mapping[str, object]:
    return {
        "checkpoint": str(request.out / "checkpoint.safetensors"),
        "best_epoch": result.best_epoch,
        "validation": accuracy_as_json(result.validation),
        "test": accuracy_as_json(result.test),
    }
