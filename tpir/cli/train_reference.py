"""``tpir train --method reference``: one seed, as the paper trains it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tpir.cli.console import progress, say, show, show_json
from tpir.cli.train_request import Request
from tpir.errors import TpirError
from tpir.files import read_text

if TYPE_CHECKING:
    from tpir.training.loop import Progress
    from tpir.training.settings import TrainingSettings

PRESETS = ("demo", "paper")


def train_reference(request: Request) -> None:
    """Train, and say how it goes. Raises TpirError."""
    if request.data is not None:
        raise TpirError("--data goes with --from CHECKPOINT, or with --method gradient")
    if request.teacher is not None:
        raise TpirError("--teacher goes with --method gradient")
    if request.tensorboard:
        raise TpirError("--tensorboard goes with --method gradient")
    if "seeds" in request.changes:
        raise TpirError("--seeds goes with --method gradient; this method trains one, see --seed")
    chosen = _settings(request).changed(request.changes)
    from tpir.training.loop import train as train_run  # brings torch

    say(f"training {chosen.task} for at most {chosen.epochs} epochs, seed {chosen.seed}")
    with progress("training") as advance:

        def on_progress(now: Progress) -> None:
            advance(now.record.epoch, now.epochs)
            say(_line(now))

        result = train_run(
            chosen,
            request.out,
            resume=request.resume,
            force=request.force,
            on_progress=on_progress,
        )
    if request.as_json:
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


def _settings(request: Request) -> TrainingSettings:
    """What to start from: a file, a preset, the run to resume, or the usual settings."""
    from tpir.training.settings import TrainingSettings, demo_settings, paper_settings

    path, preset, task = request.settings, request.preset, request.task
    if preset is not None and path is not None:
        raise TpirError("give --preset or --settings, not both")
    if preset not in (None, *PRESETS):
        raise TpirError(f"there is no preset {preset}; there is: {', '.join(PRESETS)}")
    if path is None and preset is None and request.resume:
        path = _stored(request.out)
    if path is not None:
        chosen = TrainingSettings.from_json(read_text(path))
    elif preset is not None:
        chosen = demo_settings() if preset == "demo" else paper_settings()
    elif task is not None:
        chosen = TrainingSettings(task=task)
    else:
        raise TpirError("say which task to train, or give --preset or --settings")
    return chosen if task is None else chosen.changed({"task": task})


def _stored(out: Path) -> Path | None:
    stored = out / "settings.json"
    return stored if stored.is_file() else None


def _line(now: Progress) -> str:
    record = now.record
    return (
        f"epoch {record.epoch}/{now.epochs}: loss {record.loss:.4f}, "
        f"validation {100 * record.validation_accuracy:.2f} %, "
        f"best {100 * now.best_accuracy:.2f} %, temperature {record.temperature:.3f}, "
        f"{now.seconds:.0f} s"
    )
