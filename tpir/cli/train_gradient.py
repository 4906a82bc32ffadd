"""``tpir train --method gradient``: many seeds at once, the best in validation kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tpir.cli.console import say, show, show_json
from tpir.cli.train_problem import (
    accuracy_as_json,
    accuracy_in_words,
    chosen,
)
from tpir.cli.train_request import PROBLEM_FILE, Request
from tpir.errors import TpirError, counted
from tpir.files import write_atomic

if TYPE_CHECKING:
    from rich.table import Table

    from tpir.models.checkpoint import Checkpoint
    from tpir.training.gradient.loop import GradientProgress, GradientResult, OnProgress
    from tpir.training.gradient.polish import PolishProgress
    from tpir.training.gradient.settings import GradientSettings
    from tpir.training.problem import Problem


def train_gradient(request: Request) -> None:
    """Train, show the seeds as they go, and tell what came of them. Raises TpirError."""
    if request.preset is not None:
        raise TpirError("--preset goes with --method reference")
    if "epochs" in request.changes:
        raise TpirError("--epochs goes with --method reference; here it is --set steps=N")
    from tpir.training.gradient.settings import GradientSettings

    source, settings = chosen(request, GradientSettings())
    from tpir.training.gradient.loop import train_seeds
    from tpir.training.run_folder import METRICS_FILE, SETTINGS_FILE

    board = _tensorboard(request)
    problem = source.problem()
    start = None if request.init is None else _start(request.init, problem, settings)
    seeds = "1 seed" if settings.seeds == 1 else f"{settings.seeds} seeds"
    say(f"training {seeds} on {problem.name}: {settings.steps} steps of {settings.batch_size}")
    if request.force or not (request.out / SETTINGS_FILE).exists():
        write_atomic(request.out / PROBLEM_FILE, source.to_json(), force=True)
    with _live(settings) as show_progress:

        def on_progress(now: GradientProgress) -> None:
            show_progress(now)
            if board is not None:
                board(now)

        result = train_seeds(
            problem,
            settings,
            request.out,
            start=start,
            resume=request.resume,
            force=request.force,
            on_progress=on_progress,
            on_polish=lambda now: say(_polish_line(now)),
        )
    if request.as_json:
        show_json(_as_json(result, request))
    else:
        say(f"wrote {request.out / 'checkpoint.safetensors'} and {METRICS_FILE}")
        show(_told(result))


def _start(path: Path, problem: Problem, settings: GradientSettings) -> Checkpoint:
    """The weights that a program or a checkpoint becomes for a problem."""
    from tpir.training.gradient.start import starting_model, starting_program

    start = starting_model(starting_program(path, problem), problem, settings.predicates)
    config, whole = start.config, bool(start.state["unembed.W_U"].any())
    heads, mlps = config.n_heads_cat + config.n_heads_num, config.n_cat_mlps + config.n_num_mlps
    what = "which gives the label" if whole else "a part of a program"
    size = f"{counted(heads, 'head')} and {counted(mlps, 'MLP')} a layer"
    say(f"starting from {path}, {what}: {counted(config.n_layers, 'layer')} of at most {size}")
    return start


def _tensorboard(request: Request) -> OnProgress | None:
    if not request.tensorboard:
        return None
    from tpir.training.gradient.tensorboard import TensorBoard

    return TensorBoard(request.out / "tensorboard")


@contextmanager
def _live(settings: GradientSettings) -> Iterator[OnProgress]:
    """A table of the seeds on standard error while they train; lines where that is no terminal."""
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda now: say(_line(now))
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield lambda now: live.update(_table(now), refresh=True)


def _line(now: GradientProgress) -> str:
    best = max(now.best.values())
    return (
        f"epoch {now.epoch}/{now.epochs}: best {100 * best:.2f} %, "
        f"{len(now.going)} of {len(now.best)} seeds going, {now.seconds:.0f} s"
    )


def _polish_line(now: PolishProgress) -> str:
    return (
        f"polishing, sweep {now.sweep}: {now.changed} of {now.tried:,} changes made, "
        f"loss {now.loss:.4f}, validation {100 * now.accuracy:.2f} %"
    )


def _table(now: GradientProgress) -> Table:
    from rich.table import Table

    table = Table(title=f"epoch {now.epoch} of {now.epochs}, {now.seconds:.0f} s")
    for name in ("seed", "loss", "validation %", "best %", ""):
        table.add_column(name, justify="right" if name else "left")
    for record in sorted(now.latest, key=lambda r: (r.seed not in now.going, r.seed)):
        going = record.seed in now.going
        table.add_row(
            str(record.seed),
            f"{record.loss:.4f}",
            f"{100 * record.accuracy:.2f}",
            f"{100 * now.best[record.seed]:.2f}",
            "" if going else f"dropped after epoch {record.epoch}",
            style=None if going else "dim",
        )
    return table


def _told(result: GradientResult) -> str:
    accuracies = [seed.accuracy for seed in result.seeds]
    middle = sorted(accuracies)[len(accuracies) // 2]
    best = result.best
    return (
        f"{accuracy_in_words(result.test, 'the test set')}; "
        f"seed {best.seed}, epoch {best.best_epoch}\n"
        f"validation, mean over lengths: best {100 * best.accuracy:.2f} %, "
        f"median {100 * middle:.2f} %, worst {100 * min(accuracies):.2f} % "
        f"of {len(accuracies)} seeds"
    )


def _as_json(result: GradientResult, request: Request) -> Mapping[str, object]:
    return {
        "checkpoint": str(request.out / "checkpoint.safetensors"),
        "seed": result.best.seed,
        "best_epoch": result.best.best_epoch,
        "validation": accuracy_as_json(result.validation),
        "test": accuracy_as_json(result.test),
        "seeds": [
            {
                "seed": seed.seed,
                "epochs": seed.epochs,
                "best_epoch": seed.best_epoch,
                "validation_accuracy": seed.accuracy,
            }
            for seed in result.seeds
        ],
    }
